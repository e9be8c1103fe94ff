"""What must hold of every history, whatever befell it: checked over the log, the snapshots, the heads and the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any

from ...actors.activation import FROZEN
from ...eventlog.codec import Batch, Codec, Event
from ...eventlog.errors import PerdureError
from ...eventlog.records import EMPTY, Record, verified
from ..authoring.workflows import Registry
from ..inspect.replay import fold, judge
from ..kinds.quarantine import NAME as QUARANTINE
from ..kinds.quarantine import Quarantine
from ..run import events as ev
from ..run.events import CODEC
from ..run.evolve import evolve
from ..run.state import ENDED, RunState, canonical, restore
from .world import FOREIGN, World

FOUND = Quarantine(lambda stream: None).codec
"""The events of what was found not to hold."""

History = Sequence[tuple[Batch[Event], Event]]
"""The events of a run in their order, each with the batch it came in."""


AFTER_THE_END = (ev.ChildReleased, ev.Unwatched, ev.EndAnnounced, ev.ArtifactsReleased, ev.ArtifactsRemoved)
"""What is still recorded of a run that has ended: that others know, and what became of its artifacts."""


AFTER_A_FAILURE = (*AFTER_THE_END, ev.StepCompleted, ev.StepFailed)
"""A failed run may be retried: the steps that it had under way are awaited as before."""


def violations(world: World) -> list[str]:
    """Everything that does not hold, in words; a sound history gives none."""
    found = [*world.journal.wrong_keys(), *attempts_without_reason(world)]
    for stream, records in world.log.streams.items():
        found.extend(f"{stream}: {what}" for what in of_stream(world, stream, records))
    found.extend(of_snapshots(world))
    return found


def of_stream(world: World, stream: str, records: Sequence[Record]) -> Iterator[str]:
    try:
        kept = list(verified(stream, EMPTY, records))
    except PerdureError as broken:
        yield f"the chain does not hold: {broken}"
        return
    if stream.startswith(f"{QUARANTINE}/"):
        yield from (f"an audit found: {event}" for _, event in told_by(kept, FOUND))
    if not stream.startswith("run/"):
        return
    told = list(told_by(kept))
    if [record.first for record in kept] != [1, *(record.last + 1 for record in kept[:-1])] or len(told) != kept[-1].last:
        yield "versions have a gap"
    yield from of_owners(told)
    yield from of_outcomes(told, {workflow.build for workflow in world.workflows})
    yield from of_commands(told)
    yield from of_replay(world, stream, kept)


def told_by(records: Sequence[Record], codec: Codec[Any] = CODEC) -> Iterator[tuple[Batch[Event], Event]]:
    return ((batch, event) for batch in (codec.decode(record.data) for record in records) for event in batch.events)


def of_owners(told: History) -> Iterator[str]:
    """No append of an older epoch after the first of a newer one; time never goes back within a stream."""
    for (before, _), (batch, event) in pairwise(told):
        if batch.epoch < before.epoch:
            yield f"{type(event).__name__} of epoch {batch.epoch} after one of epoch {before.epoch}"
        if batch.at < before.at:
            yield f"{type(event).__name__} at {batch.at} after one at {before.at}"


def of_outcomes(told: History, builds: AbstractSet[str]) -> Iterator[str]:
    """Each effect is wanted once and has one outcome, no timer fires early, nothing follows the end, and these builds agree with the log.

    A retry takes back what the code asked for behind the failure, and wants again what had failed; then the facts say what is open.
    """
    wanted: set[str] = set()
    done: set[str] = set()
    ended = ""
    facts = RunState()
    for batch, event in told:
        facts = evolve(facts, event, batch.at)
        if isinstance(event, ev.RetryRequested | ev.RunStarted):
            ended = ""
        late = AFTER_A_FAILURE if ended == "RunFailed" else AFTER_THE_END
        if ended and not (isinstance(event, late) or event == FOREIGN):
            yield f"{type(event).__name__} after {ended}"
        if isinstance(event, WANTS):
            if event.id in wanted:
                yield f"effect {event.id} is wanted twice"
            wanted.add(event.id)
        elif isinstance(event, OUTCOMES) and not (isinstance(event, ev.StepFailed) and event.retry_at is not None):
            if event.id in done or event.id not in wanted:
                yield f"{type(event).__name__} of effect {event.id}, which {'has its outcome' if event.id in done else 'nobody wanted'}"
            done.add(event.id)
            if isinstance(event, ev.TimerFired) and batch.at < event.due:
                yield f"timer {event.id} fired {event.due - batch.at} µs early"
        elif isinstance(event, ENDS):
            ended = type(event).__name__
        elif isinstance(event, ev.Suspended) and event.build in builds:
            yield f"suspended: {event.message}; expected {event.expected}, found {event.found}"
        elif isinstance(event, ev.RetryRequested):
            wanted = {line.id for line in facts.script if line.id}
            done = wanted - set(facts.steps) - set(facts.timers) - set(facts.approvals) - set(facts.starting)


WANTS = (
    ev.StepScheduled, ev.SignalSent, ev.CancelSent, ev.TimerSet, ev.ApprovalRequested, ev.ChildScheduled, ev.AttachScheduled,
)  # fmt: skip
OUTCOMES = (ev.StepCompleted, ev.StepSkipped, ev.StepFailed, ev.TimerFired, ev.ApprovalDecided, ev.ChildEnded)
ENDS = (ev.RunCompleted, ev.RunFailed, ev.RunCancelled, ev.RunTerminated, ev.RunTimedOut)


def of_commands(told: History) -> Iterator[str]:
    """A command from outside is applied once."""
    seen: dict[str, None] = {}
    for _, event in told:
        command: str = "" if isinstance(event, ev.UpdateCompleted) else getattr(event, "command", "")
        if command and command in seen:
            yield f"command {command} was applied twice"
        seen[command] = None


def of_replay(world: World, stream: str, records: Sequence[Record]) -> Iterator[str]:
    """Today's code agrees with the log, and the head says what the log says."""
    registry = Registry(world.workflows)
    try:
        verdict = judge(stream, records, registry, lambda blob: world.log.blobs[stream][blob.digest])
    except PerdureError as refused:
        yield f"it cannot be replayed: {refused}"
        return
    if verdict.agrees is not True:
        yield f"the code disagrees with the log: {verdict.difference}"
    summary, facts = world.log.summaries.get(stream), fold(stream, records)
    wake_at = expected_wake_up(facts)
    if summary is None or (summary.head.status, summary.head.wake_at) != (facts.phase, wake_at):
        yield f"its head says {summary and (summary.head.status, summary.head.wake_at)}, its log {(facts.phase, wake_at)}"


def expected_wake_up(facts: RunState) -> int | None:
    """What the head of a run must say, by its facts alone."""
    has_errands = facts.leaving or facts.telling or (facts.ended and facts.watchers) or (facts.phase == "running" and facts.starting)
    if facts.phase == "suspended" or has_errands or facts.notices or facts.removing:
        return 0
    dues = [facts.deadline] if facts.deadline and not facts.frozen_at and not facts.ended else []
    if facts.phase == "delayed":
        dues.append(facts.start_at)
    if facts.phase == "running":
        if len(facts.steps) > len(facts.retries) + len(facts.deferred):
            return 0
        dues += [*facts.timers.values(), *facts.retries.values(), *facts.step_deadlines.values()]
    return min(dues, default=None)


def of_snapshots(world: World) -> Iterator[str]:
    """Every snapshot that was ever saved is the state that its log gives from zero."""
    for snapshot in world.snapshots:
        records = [record for record in world.log.streams.get(snapshot.stream, ()) if record.last <= snapshot.tail.version]
        try:
            facts = fold(snapshot.stream, records)
        except PerdureError:
            continue  # told already where the stream itself is checked
        frozen = restore_frozen(snapshot.data)
        if canonical(facts) != canonical(frozen):
            counts = f"{frozen.length} events against {facts.length}"
            yield f"{snapshot.stream}: the snapshot at version {snapshot.tail.version} is not the state that the log gives ({counts})"


def restore_frozen(data: bytes) -> RunState:
    return restore(bytes(FROZEN.decode(data).state))


def attempts_without_reason(world: World) -> Iterator[str]:
    """An attempt begins again only where its first beginning was lost: never twice on one start of a node under one epoch."""
    for many in world.journal.repeats():
        if max(Counter((begun.node, begun.epoch) for begun in many).values()) > 1:
            yield f"begun again though it had not been lost: {many}"
        if many[0].once:
            yield f"begun again though it may be begun at most once: {many}"
        if len(many) > len(world.past) + takeovers(world) + 1:
            yield f"begun {len(many)} times: {many}"


def takeovers(world: World) -> int:
    return sum(len(records) for stream, records in world.log.streams.items() if stream.startswith("fence/"))


def stuck(world: World) -> list[str]:
    """Law 10, for a world at rest: every run that goes on has somebody who will wake it, and is awake if it should be."""
    found: list[str] = []
    for stream, summary in world.log.summaries.items():
        owner, head = world.owner_of(stream), summary.head
        if owner is None or (head.status in ENDED and head.wake_at is None):
            continue
        try:
            facts = fold(stream, world.log.streams[stream])
        except PerdureError:
            continue  # told already where the stream itself is checked
        due = expected_wake_up(facts)
        if facts.phase == "suspended":
            code = owner.runtime.registry.find(facts.workflow, facts.version)
            if code is not None and code.build != facts.build:
                found.append(f"{stream}: suspended under the build {facts.build}, and that of {owner} has not been tried")
        elif head.wake_at == 0 and not owner.runtime.dispatcher.is_awake(stream):
            found.append(f"{stream}: wants a turn, and {owner} does not hold it awake")
        if due and owner.clock.now() - due > 50_000_000:
            found.append(f"{stream}: was due {(owner.clock.now() - due) / 1e6:.0f} s ago")
    return found
