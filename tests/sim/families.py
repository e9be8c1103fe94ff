"""Parents and children, held against each other: whatever befell both, what one log says of the other is so."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from perdure.eventlog.codec import Event
from perdure.eventlog.streams import parts_of
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.state import ENDED
from perdure.runtime.testing.world import World
from tests.sim.admitting import admits, has

STATUS: dict[type[Event], str] = {
    ev.RunCompleted: "completed", ev.RunFailed: "failed", ev.RunCancelled: "cancelled", ev.RunTerminated: "terminated",
    ev.RunTimedOut: "timed_out",
}  # fmt: skip


def unsettled(world: World) -> bool:
    """Whether a child still runs, or somebody has not been told what he must know."""
    heads = ((stream, summary.head) for stream, summary in world.log.summaries.items() if stream.startswith("run/"))
    return any(head.wake_at == 0 or ("_2f" in stream and head.status not in ENDED) for stream, head in heads)


def family_quarrels(world: World) -> Iterator[str]:
    """Everything in which the log of a child and that of its parent differ."""
    told = {
        stream: [event for record in records for event in CODEC.decode(record.data).events]
        for stream, records in world.log.streams.items()
        if stream.startswith("run/")
    }
    for stream, events in told.items():
        yield from (f"{stream}: {what}" for what in _of_parent(events))
        begun = events[0]
        if isinstance(begun, ev.RunStarted) and begun.parent:
            parent, _, effect = begun.parent.partition("#")
            for what in _of_child(parts_of(stream)[2], events, told.get(parent, []), effect):
                yield f"{stream}: {what}"


def _of_parent(events: list[Event]) -> Iterator[str]:
    """Of every child it heard the end, or it left it; and whom it left it told, where they do not part in silence."""
    if any(isinstance(event, ev.RetryRequested) for event in events):
        return  # what it wanted is wanted anew, or no more
    heard = {event.id for event in events if isinstance(event, ev.ChildEnded)}
    released = {event.id for event in events if isinstance(event, ev.ChildReleased)}
    for wish in events:
        if isinstance(wish, ev.ChildScheduled) and wish.id not in heard:
            if not _left(events, wish.id):
                yield f"it still waits for {wish}"
            elif wish.on_parent_end != "abandon" and wish.id not in released:
                yield f"it left {wish} and never told it"


def _of_child(run: str, events: list[Event], parent: list[Event], effect: str) -> Iterator[str]:
    retried = any(isinstance(event, ev.RetryRequested) for event in parent)
    end = next((event for event in reversed(events) if type(event) in STATUS), None)
    wish = next((event for event in parent if isinstance(event, ev.ChildScheduled) and event.id == effect), None)
    if wish is None or wish.run != run:
        yield "nobody wanted it"
        return
    if end is None:
        yield "it has not ended: " + "; ".join(map(repr, events))
        return
    status = STATUS[type(end)]
    heard = [event for event in parent if isinstance(event, ev.ChildEnded) and event.id == effect]
    told = heard[-1] if heard else None
    if told and not retried and (told.status != status or (isinstance(end, ev.RunCompleted) and bytes(told.value) != bytes(end.result))):
        yield f"its parent was told {told}, and it ended with {end}"
    if isinstance(end, ev.RunCompleted) and isinstance(begun := events[0], ev.RunStarted) and not _admitted(begun, end):
        yield f"its result {bytes(end.result).decode()} is none that its program admits"
    released = any(isinstance(event, ev.ChildReleased) and event.id == effect for event in parent)
    if status in ("cancelled", "terminated") and not released:
        yield f"it is {status}, and its parent never left it"
    parted = "cancelled" if wish.on_parent_end == "cancel" else "terminated"
    may_fail = isinstance(begun := events[0], ev.RunStarted) and has(msgspec.json.decode(begun.input)[0], "must")
    if released and not retried and status not in ("completed", parted, "cancelled") and not (status == "failed" and may_fail):
        yield f"its parent left it by {wish.on_parent_end}, and it is {status}"


def _left(parent: list[Event], effect: str) -> bool:
    """Whether the parent has ended, or no longer wanted the child."""
    return any(type(event) in STATUS or (isinstance(event, ev.EffectsAbandoned) and effect in event.ids) for event in parent)


def _admitted(begun: ev.RunStarted, end: ev.RunCompleted) -> bool:
    return admits(msgspec.json.decode(begun.input)[0], msgspec.json.decode(end.result))
