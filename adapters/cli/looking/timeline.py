"""`perdure show`: the life of one run as lines for people, folded from its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct, field

from ....eventlog.blobs import Blob
from ....eventlog.codec import Event
from ....eventlog.records import Record
from ....runtime.authoring.errors import Failure
from ....runtime.authoring.words import moment
from ....runtime.run import events as ev
from ....runtime.run.events import CODEC
from ....runtime.run.state import AFTER, ENDED

TEXT_MAX = 100


class Moment(Struct, frozen=True, omit_defaults=True):
    """One line: `after` seconds since the start of the run, `what` happened, to whom, and how long it took."""

    after: float
    version: int
    what: str
    text: str
    seconds: float | None = None
    attempts: int = 1
    columns: dict[str, str] = {}


class Waiting(Struct, frozen=True):
    """A step, a timer, an approval, a child or an attached run that is open at the end of the log."""

    what: str
    id: str
    name: str
    since: float
    attempt: int = 1
    until: float | None = None


class Timeline(Struct):
    """A run from its first event to its last."""

    run: str
    workflow: str = ""
    version: int = 0
    status: str = "new"
    started_at: datetime | None = None
    seconds: float = 0.0
    events: int = 0
    steps: int = 0
    retries: int = 0
    recoveries: int = 0
    moments: list[Moment] = field(default_factory=list[Moment])
    waiting: list[Waiting] = field(default_factory=list[Waiting])


def timeline(run: str, records: Sequence[Record]) -> Timeline:
    fold = _Fold(run)
    for record in records:
        batch = CODEC.decode(record.data)
        for event in batch.events:
            fold.take(event, batch.at)
    return fold.finished()


class _Fold:
    """The timeline under construction, and what is open at this point of it."""

    def __init__(self, run: str) -> None:
        self.line = Timeline(run)
        self.start = 0
        self.at = 0
        self.open: dict[str, Waiting] = {}
        self.is_away = False
        """The run has left this log."""

    def take(self, event: Event, at: int) -> None:
        line = self.line
        self.start, self.at = self.start or at, at
        line.events += 1
        line.status = AFTER.get((line.status, type(event)), line.status)
        if (said := SAID.get(type(event))) is not None:
            self.add(said[0], said[1](event))
        elif (told := TELLING.get(type(event))) is not None:
            told(self, event)

    def finished(self) -> Timeline:
        line = self.line
        line.seconds = self.since(self.at)
        if line.status in ENDED:
            self.open.clear()
        line.status = "moved" if self.is_away else line.status
        line.waiting = list(self.open.values())
        return line

    def since(self, at: int) -> float:
        return round((at - self.start) / 1e6, 6)

    def add(self, what: str, text: str, **more: Any) -> None:
        self.line.moments.append(Moment(self.since(self.at), self.line.events, what, text, **more))


def short(raw: Raw | str) -> str:
    text = raw if isinstance(raw, str) else bytes(raw).decode()
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def value(raw: Raw, blob: Blob | None) -> str:
    """A value, or, where it is large, how large it is."""
    return short(raw) if blob is None else f"<{blob.size:,} bytes>"


def told_of(failure: Failure) -> str:
    """What failed; of an error of perdure all that it says."""
    return short(f"{failure.type}: {failure.message}") + failure.lesson()


def _started(fold: _Fold, event: ev.RunStarted) -> None:
    fold.line.workflow, fold.line.version, fold.line.started_at = event.workflow, event.version, moment(fold.start)
    fold.add("started", value(event.input, event.blob))


def _delayed(fold: _Fold, event: ev.RunDelayed) -> None:
    _started(fold, event)
    fold.add("delayed", f"until +{fold.since(event.start_at):.3f} s")


def _scheduled(fold: _Fold, event: ev.StepScheduled) -> None:
    fold.open[event.id] = Waiting("step", event.id, event.name, fold.since(fold.at))


def _completed(fold: _Fold, event: ev.StepCompleted) -> None:
    step = fold.open.pop(event.id, None)
    fold.line.steps += 1
    name = step.name if step is not None else "a step no longer wanted"
    seconds = round((event.ended - event.started) / 1e6, 6)
    fold.add("step", f"{name} {event.id} = {value(event.value, event.blob)}", seconds=seconds, attempts=event.attempt)


def _failed(fold: _Fold, event: ev.StepFailed) -> None:
    step = fold.open.get(event.id)
    name = step.name if step is not None else "a step no longer wanted"
    seconds = round((event.ended - event.started) / 1e6, 6)
    text = f"{name} {event.id}: {told_of(event.error)}"
    if event.retry_at is None:
        fold.open.pop(event.id, None)
        fold.add("step failed", text, seconds=seconds, attempts=event.attempt)
        return
    fold.line.retries += 1
    due = fold.since(event.retry_at)
    fold.add("retry", f"{text}, again at +{due:.3f} s", seconds=seconds, attempts=event.attempt)
    if step is not None:
        fold.open[event.id] = Waiting("step", step.id, step.name, step.since, event.attempt + 1, due)


def _step_of(fold: _Fold, id: str) -> str:
    step = fold.open.get(id)
    return f"{step.name if step is not None else 'a step no longer wanted'} {id}"


def _begun(fold: _Fold, event: ev.StepStarted) -> None:
    fold.add("step begins", f"{_step_of(fold, event.id)} on {event.worker}, at most once", attempts=event.attempt)


def _heard(fold: _Fold, event: ev.StepHeartbeat) -> None:
    fold.add("heartbeat", f"{_step_of(fold, event.id)}: {short(event.details)}", attempts=event.attempt)


def _deferred(fold: _Fold, event: ev.StepDeferred) -> None:
    fold.add("step deferred", f"{_step_of(fold, event.id)} is left to whoever has its token", attempts=event.attempt)


def _skipped(fold: _Fold, event: ev.StepSkipped) -> None:
    text = f"{_step_of(fold, event.id)} = {value(event.value, event.blob)}{_by_and_why(event.by, event.why)}"
    fold.open.pop(event.id, None)
    fold.add("step skipped", text)


def _by_and_why(by: str, why: str) -> str:
    return f"{f' by {by}' if by else ''}{f': {why}' if why else ''}"


def _timer_set(fold: _Fold, event: ev.TimerSet) -> None:
    fold.open[event.id] = Waiting("timer", event.id, "", fold.since(fold.at), until=fold.since(event.due))
    fold.add("timer", f"{event.id} set for +{fold.since(event.due):.3f} s")


def _timer_fired(fold: _Fold, event: ev.TimerFired) -> None:
    fold.open.pop(event.id, None)
    fold.add("timer fired", event.id)


def _abandoned(fold: _Fold, event: ev.EffectsAbandoned) -> None:
    names = [f"{fold.open[id].name or 'timer'} {id}" if id in fold.open else id for id in event.ids]
    for id in event.ids:
        fold.open.pop(id, None)
    fold.add("abandoned", short(", ".join(names)))


def _asked(fold: _Fold, event: ev.ApprovalRequested) -> None:
    until = None if event.expires is None else fold.since(event.expires)
    fold.open[event.id] = Waiting("approval", event.id, event.name, fold.since(fold.at), until=until)
    fold.add("approval", f"{event.name} {event.id} shows {short(event.show)}", columns={"digest": event.digest})


def _approval_given(fold: _Fold, event: ev.ApprovalGiven) -> None:
    asked = fold.open.get(event.id)
    fold.add("approval", short(f"{asked.name if asked else 'an approval'} {event.id} given{_by_and_why(event.by, event.why)}, more needed"))


def _escalated(fold: _Fold, event: ev.ApprovalEscalated) -> None:
    asked = fold.open.get(event.id)
    fold.add("approval", f"{asked.name if asked else 'an approval'} {event.id} escalated, stage {event.stage}")


def _decided(fold: _Fold, event: ev.ApprovalDecided) -> None:
    asked = fold.open.pop(event.id, None)
    fold.add(event.outcome, short(f"{asked.name if asked else 'an approval'} {event.id}{_by_and_why(event.by, event.why)}"))


def _sent(fold: _Fold, event: ev.SignalSent | ev.CancelSent) -> None:
    name = f"signal {event.name} to" if isinstance(event, ev.SignalSent) else "cancellation of"
    fold.open[event.id] = Waiting("step", event.id, f"{name} {event.run}", fold.since(fold.at))


def _child_wanted(fold: _Fold, event: ev.ChildScheduled) -> None:
    fold.open[event.id] = Waiting("child", event.id, f"{event.workflow}, run {event.run}", fold.since(fold.at))


def _attaching(fold: _Fold, event: ev.AttachScheduled) -> None:
    fold.open[event.id] = Waiting("attached", event.id, f"run {event.run}", fold.since(fold.at))


def _child_started(fold: _Fold, event: ev.ChildStarted | ev.Attached) -> None:
    child = fold.open.get(event.id)
    fold.add("child" if isinstance(event, ev.ChildStarted) else "attached", f"{child.name if child else 'one no longer wanted'} {event.id}")


def _child_ended(fold: _Fold, event: ev.ChildEnded) -> None:
    child = fold.open.pop(event.id, None)
    outcome = f"= {value(event.value, event.blob)}" if event.error is None else f"{event.status}: {told_of(event.error)}"
    seconds = None if child is None else round(fold.since(fold.at) - child.since, 6)
    fold.add("child ended", f"{child.name if child else 'one no longer wanted'} {event.id} {outcome}", seconds=seconds)


def _logged(fold: _Fold, event: ev.Logged) -> None:
    fields = "" if bytes(event.fields) in (b"{}", b"null") else f" {short(event.fields)}"
    fold.add("log", f"{event.level}: {event.message}{fields}")


def _recovered(fold: _Fold, event: ev.Recovered) -> None:
    fold.line.recoveries += 1
    fold.add("recovered", f"by {event.owner}, opening {event.epoch} of the log; {len(fold.open)} open")


def _suspended(fold: _Fold, event: ev.Suspended) -> None:
    parts = {"where": event.where, "expected": event.expected, "found": event.found, "instead": event.instead}
    fold.add("suspended", f"{event.reason}: {event.message}", columns={name: text for name, text in parts.items() if text})


def _continued(fold: _Fold, event: ev.Continued) -> None:
    fold.open.clear()
    fold.add("continued", value(event.input, event.blob))


def _retried(fold: _Fold, event: ev.RetryRequested) -> None:
    fold.open.clear()
    fold.add("retry asked", f"from where the code had taken {event.place} arrivals" if event.void else "the last turn is driven again")


def _moved_out(fold: _Fold, event: ev.MovedOut) -> None:
    fold.is_away = True
    fold.add("moved out", f"to the log {event.to}, by {event.move}")


def _moved_in(fold: _Fold, event: ev.MovedIn) -> None:
    fold.is_away = False
    fold.add("moved in", f"from the log {event.source}, by {event.move}")


def _moved_back(fold: _Fold, event: ev.MovedBack) -> None:
    fold.is_away = False
    fold.add("moved back", f"the other log will not have it by {event.move}")


SAID: dict[type[Event], tuple[str, Callable[[Any], str]]] = {
    ev.SignalReceived: ("signal", lambda event: f"{event.name} {value(event.value, event.blob)}"),
    ev.UpdateAccepted: ("update", lambda event: f"{event.name} {value(event.args, event.blob)}"),
    ev.UpdateCompleted: ("answered", lambda event: told_of(event.error) if event.error else value(event.result, event.blob)),
    ev.AttributesSet: ("attributes", lambda event: ", ".join(f"{name} = {short(value)}" for name, value in event.values.items())),
    ev.CancelRequested: ("cancel asked", lambda event: event.reason),
    ev.Paused: ("paused", lambda event: event.reason),
    ev.Resumed: ("resumed", lambda event: f"with build {event.build}" if event.build else ""),
    ev.ArtifactsReleased: ("released", lambda _: "artifacts are kept no longer"),
    ev.ArtifactsRemoved: ("removed", lambda event: f"the contents of what was released at version {event.release}"),
    ev.ChildReleased: ("child left", lambda event: event.id),
    ev.ChildrenTold: ("children told", lambda event: f"to {event.how}"),
    ev.ChildHeard: ("child heard", lambda event: event.id),
    ev.Watched: ("watched", lambda event: f"by {event.by}"),
    ev.Unwatched: ("unwatched", lambda event: f"by {event.by}"),
    ev.EndAnnounced: ("end announced", lambda event: f"of version {event.end}"),
    ev.Patched: ("patched", lambda event: event.name),
    ev.Upgraded: ("upgraded", lambda event: f"to version {event.version}"),
    ev.RunCompleted: ("completed", lambda event: value(event.result, event.blob)),
    ev.RunFailed: ("failed", lambda event: told_of(event.error)),
    ev.RunCancelled: ("cancelled", lambda event: event.reason),
    ev.RunTerminated: ("terminated", lambda event: event.reason),
    ev.RunTimedOut: ("timed out", lambda event: "its deadline was over"),
}
"""Events that are one line each: what happened, and the text."""

TELLING: dict[type[Event], Callable[[_Fold, Any], None]] = {
    ev.RunStarted: _started,
    ev.RunDelayed: _delayed,
    ev.Continued: _continued,
    ev.StepScheduled: _scheduled,
    ev.StepCompleted: _completed,
    ev.StepFailed: _failed,
    ev.StepStarted: _begun,
    ev.StepHeartbeat: _heard,
    ev.StepDeferred: _deferred,
    ev.StepSkipped: _skipped,
    ev.TimerSet: _timer_set,
    ev.TimerFired: _timer_fired,
    ev.EffectsAbandoned: _abandoned,
    ev.ApprovalRequested: _asked,
    ev.ApprovalGiven: _approval_given,
    ev.ApprovalEscalated: _escalated,
    ev.ApprovalDecided: _decided,
    ev.SignalSent: _sent,
    ev.CancelSent: _sent,
    ev.Logged: _logged,
    ev.Recovered: _recovered,
    ev.Suspended: _suspended,
    ev.RetryRequested: _retried,
    ev.ChildScheduled: _child_wanted,
    ev.AttachScheduled: _attaching,
    ev.ChildStarted: _child_started,
    ev.Attached: _child_started,
    ev.ChildEnded: _child_ended,
    ev.MovedOut: _moved_out,
    ev.MovedIn: _moved_in,
    ev.MovedBack: _moved_back,
}
"""Events that open or close something, or need more than a line. Every event of a run stands in one of the two tables."""
