"""What a run is promised while people pause, cancel, retry and upgrade it: read off its log, record by record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import ENDED, RunState
from perdure.runtime.testing.checks import WANTS
from perdure.runtime.testing.world import FOREIGN, World

WHILE_PAUSED = (
    ev.StepCompleted, ev.StepFailed, ev.StepStarted, ev.StepHeartbeat, ev.StepDeferred, ev.SignalReceived, ev.UpdateAccepted,
    ev.ChildStarted, ev.Attached, ev.ChildEnded, ev.ChildReleased, ev.ChildrenTold, ev.ChildHeard, ev.Watched, ev.Unwatched,
    ev.Recovered, ev.Suspended, ev.Resumed, ev.Upgraded, ev.RunTerminated, ev.RunTimedOut, ev.CancelRequested,
    ev.ApprovalGiven,
)  # fmt: skip
"""What may still be recorded of a run that stands still: the outcomes of what was under way, and what comes from outside."""

def branch_of(id: str) -> str:
    """The branch that wants an effect. One that tidies up after a lost race is not interrupted in that; the first branch always is."""
    return id.rpartition("/")[0]


STANDING = (*ENDED, "suspended")


def broken_promises(world: World, stream: str) -> Iterator[str]:
    """Everything that the log says of this run and that must not be."""
    facts, naps, tidying, now = RunState(), Naps(world), set[str](), 0
    for record in world.log.streams.get(stream, ()):
        batch = CODEC.decode(record.data)
        now = max(now, batch.at)
        before = list[str]()
        abandons = any(isinstance(event, ev.EffectsAbandoned) for event in batch.events)
        for event in batch.events:
            if facts.phase == "paused":
                yield from _of_pause(event, batch.events)
            if isinstance(event, ev.CancelRequested) and facts.phase in ("running", "paused"):
                before = [*facts.steps, *facts.timers]
            if isinstance(event, ev.StepStarted) and event.attempt > 1 and not facts.retried:
                yield f"{event}, though it may be attempted once and nobody retried the run"
            if isinstance(event, WANTS) and abandons and "/" in event.id:
                tidying.add(branch_of(event.id))
            if isinstance(event, ev.Logged):
                yield from naps.note(event, now, record.position)
            facts = evolve(facts, event, batch.at)
        still = [id for id in before if facts.phase not in STANDING and (id in facts.steps or id in facts.timers)]
        still = [id for id in still if branch_of(id) not in tidying]
        if still:
            yield f"{still} was still wanted after the run was cancelled (backing off: {list(facts.retries)})"


def _of_pause(event: Event, together: Sequence[Event]) -> Iterator[str]:
    """Decisions count while it is paused, and before one is recorded to whom it had escalated by then."""
    heard = any(isinstance(one, ev.ApprovalGiven | ev.ApprovalDecided) for one in together)
    decided = (isinstance(event, ev.ApprovalDecided) and event.outcome != "expired") or (isinstance(event, ev.ApprovalEscalated) and heard)
    if not (isinstance(event, WHILE_PAUSED) or decided or event == FOREIGN):
        yield f"{event} while it was paused"


class Naps:
    """Every nap takes as long as was asked: by the time of the stream, which never goes back, and by the world's.

    A node cannot know how far its clock is from those of the others. So a nap may be shorter, in the world, by as much as the
    clock that ends it may be ahead of the time at which it began; never because a clock went back.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.begun: dict[str, tuple[int, int, int]] = {}

    def note(self, event: ev.Logged, at: int, position: int) -> Iterator[str]:
        line = msgspec.json.decode(event.fields)
        if event.message == "lies down":
            self.begun[line["key"]] = line["millis"] * 1000, at, position
        elif event.message == "wakes":
            asked, began, where = self.begun[line["key"]]
            if at - began < asked:
                yield f"nap {line['key']} of {asked / 1e6} s was over {(asked - at + began) / 1e6} s too early by the time of the log"
            written, furthest = self.world.log.written[where - 1], self.world.log.written[position - 1]
            took, slack = furthest.at - written.at, furthest.ahead - (began - written.at)
            if took < asked - slack:
                yield f"nap {line['key']} of {asked / 1e6} s took {took / 1e6} s of the world, and clocks differ by {slack / 1e6} s"
