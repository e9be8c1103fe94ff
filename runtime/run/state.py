"""RunState: the facts of a run, and how each event changes them. Nothing here knows the code of a workflow.

`arrivals` are what came from outside, in the order of the log; the code has taken the first `delivered` of them. `script`
is what the code asked for, each line with the number of arrivals it had taken by then. Driving the code over the arrivals
must give the script again: that is what replay checks.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from ...eventlog.codec import Event
from ...eventlog.errors import Bug
from ..authoring.errors import Failure
from ..authoring.values import NOTHING
from . import events as ev

Phase = Literal["new", "running", "suspended", "completed", "failed", "cancelled", "terminated"]

ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled", "terminated"})

AFTER: dict[tuple[str, type[Event]], Phase] = {
    ("new", ev.RunStarted): "running",
    ("running", ev.Suspended): "suspended",
    ("suspended", ev.Suspended): "suspended",
    ("suspended", ev.Resumed): "running",
    ("running", ev.RunCompleted): "completed",
    ("running", ev.RunFailed): "failed",
    ("running", ev.RunCancelled): "cancelled",
    ("running", ev.RunTerminated): "terminated",
    ("suspended", ev.RunTerminated): "terminated",
}
"""Every legal change of phase; an event that changes it in any other way is a bug."""

KEY_BYTES = 64


class Outcome(Struct, frozen=True, tag=True, omit_defaults=True):
    """A step's final outcome: a value or a failure."""

    at: int
    id: str
    value: Raw = NOTHING
    error: Failure | None = None


class Fired(Struct, frozen=True, tag=True, gc=False):
    """A timer is due."""

    at: int
    id: str


class Signalled(Struct, frozen=True, tag=True, gc=False):
    """A message for the code."""

    at: int
    name: str
    value: Raw


class CancelAsked(Struct, frozen=True, tag=True, gc=False):
    """Somebody wants the run to end, its cleanup done."""

    at: int


Arrival = Outcome | Fired | Signalled | CancelAsked


class Line(Struct, frozen=True, gc=False, array_like=True):
    """One line of the script: what the code asked for (`step`, `timer`, `abandon`), and after how many arrivals."""

    after: int
    what: str
    id: str
    name: str
    key: Raw
    """The arguments of a step (`key_of`), when a timer is due, what is abandoned."""


class OpenStep(Struct, gc=False):
    """A step without a final outcome, and the number of the attempt that is under way or due next."""

    name: str
    args: Raw
    attempt: int = 1


class Held(Struct, frozen=True, gc=False, array_like=True):
    """Arrivals `start` to `end` came while the run stood still, and were taken in one go at `at`."""

    start: int
    end: int
    at: int


class RunState(Struct):
    """All that is known of a run. `evolve` consumes and returns it."""

    phase: Phase = "new"
    workflow: str = ""
    version: int = 0
    input: Raw = NOTHING
    seed: int = 0
    started_at: int = 0
    at: int = 0
    length: int = 0
    """Events folded: the version of the stream."""
    arrivals: list[Arrival] = field(default_factory=list)
    delivered: int = 0
    held: list[Held] = field(default_factory=list)
    script: list[Line] = field(default_factory=list)
    steps: dict[str, OpenStep] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    """Open steps that back off, and when each is tried again."""
    abandoned: dict[str, OpenStep] = field(default_factory=dict)
    """Steps that the code no longer wants, whose outcome may still come."""
    timers: dict[str, int] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)
    """Accepted commands from outside, and the version at which each was applied."""
    attributes: dict[str, Raw] = field(default_factory=dict)
    cancelling: int = 0
    """The version at which it was asked to cancel; 0 where it was not."""
    reason: str = ""
    """Why somebody wants, or wanted, it to end."""
    stuck: str = ""
    """Why the engine stopped it."""
    build: str = ""
    """The build of the code that last disagreed with the log."""
    result: Raw = NOTHING
    failure: Failure | None = None
    recoveries: int = 0

    @property
    def ended(self) -> bool:
        return self.phase in ENDED


_encode_state = msgspec.json.Encoder(order="deterministic").encode
_decode_state = msgspec.json.Decoder(RunState).decode


def canonical(state: RunState) -> bytes:
    """The state as bytes that are the same on every machine."""
    return _encode_state(state)


def state_digest(state: RunState) -> str:
    """SHA-256, in hexadecimal, of the canonical bytes."""
    return sha256(canonical(state)).hexdigest()


def restore(data: bytes) -> RunState:
    """The state that `canonical` made the bytes from."""
    return _decode_state(data)


def json_of(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def key_of(args: Raw) -> Raw:
    """Arguments as a line of the script keeps them: themselves where they are short, else their digest."""
    return args if len(args) <= KEY_BYTES else Raw(f'"sha256:{sha256(args).hexdigest()}"'.encode())


def line_of(event: Event, after: int) -> Line | None:
    """The line of the script that an event of the driver is; None where it is no part of it."""
    match event:
        case ev.StepScheduled(id=id, name=name, args=args):
            return Line(after, "step", id, name, key_of(args))
        case ev.TimerSet(id=id, due=due):
            return Line(after, "timer", id, "", json_of(due))
        case ev.EffectsAbandoned(ids=ids):
            return Line(after, "abandon", "", "", json_of(ids))
        case _:
            return None


def evolve(state: RunState, event: Event, at: int) -> RunState:
    """The state after an event of the log."""
    state.length += 1
    state.at = at
    EVOLVE[type(event)](state, event, at)
    return state


def _arrive(state: RunState, arrival: Arrival) -> None:
    state.arrivals.append(arrival)
    if state.phase == "running":
        state.delivered = len(state.arrivals)


def _change_phase(state: RunState, event: Event) -> None:
    after = AFTER.get((state.phase, type(event)))
    if after is None:
        legal = ", ".join(kind.__name__ for phase, kind in AFTER if phase == state.phase)
        raise Bug("an illegal transition", who=f"run of {state.workflow or 'an unknown workflow'}", where=f"version {state.length}",
                  expected=legal or f"nothing: the run is {state.phase}", found=f"{type(event).__name__} while {state.phase}",
                  instead="report it with the log of this run")
    state.phase = after


def _started(state: RunState, event: ev.RunStarted, at: int) -> None:
    _change_phase(state, event)
    state.workflow, state.version, state.input, state.seed = event.workflow, event.version, event.input.copy(), event.seed
    state.started_at = at
    _remember(state, event.command)


def _remember(state: RunState, command: str) -> None:
    if command:
        state.commands[command] = state.length


def _scheduled(state: RunState, event: ev.StepScheduled, at: int) -> None:
    args = event.args.copy()
    state.steps[event.id] = OpenStep(event.name, args)
    state.script.append(Line(state.delivered, "step", event.id, event.name, key_of(args)))


def _completed(state: RunState, event: ev.StepCompleted, at: int) -> None:
    if state.steps.pop(event.id, None) is not None:
        state.retries.pop(event.id, None)
        _arrive(state, Outcome(at, event.id, event.value.copy()))
    else:
        state.abandoned.pop(event.id, None)


def _failed(state: RunState, event: ev.StepFailed, at: int) -> None:
    step = state.steps.get(event.id)
    if step is None:
        state.abandoned.pop(event.id, None)
    elif event.retry_at is not None:
        step.attempt, state.retries[event.id] = event.attempt + 1, event.retry_at
    else:
        del state.steps[event.id]
        state.retries.pop(event.id, None)
        _arrive(state, Outcome(at, event.id, error=_copied(event.error)))


def _copied(failure: Failure) -> Failure:
    details = UNSET if isinstance(failure.details, UnsetType) else failure.details.copy()
    return Failure(failure.type, failure.message, details, None if failure.cause is None else _copied(failure.cause))


def _timer_set(state: RunState, event: ev.TimerSet, at: int) -> None:
    state.timers[event.id] = event.due
    state.script.append(Line(state.delivered, "timer", event.id, "", json_of(event.due)))


def _timer_fired(state: RunState, event: ev.TimerFired, at: int) -> None:
    if state.timers.pop(event.id, None) is not None:
        _arrive(state, Fired(at, event.id))


def _abandoned(state: RunState, event: ev.EffectsAbandoned, at: int) -> None:
    for id in event.ids:
        step = state.steps.pop(id, None)
        if step is None:
            state.timers.pop(id, None)
        elif state.retries.pop(id, None) is None:
            state.abandoned[id] = step
    state.script.append(Line(state.delivered, "abandon", "", "", json_of(event.ids)))


def _signalled(state: RunState, event: ev.SignalReceived, at: int) -> None:
    _remember(state, event.command)
    _arrive(state, Signalled(at, event.name, event.value.copy()))


def _attributes(state: RunState, event: ev.AttributesSet, at: int) -> None:
    for name, value in event.values.items():
        if bytes(value) == b"null":
            state.attributes.pop(name, None)
        else:
            state.attributes[name] = value.copy()


def _cancel_requested(state: RunState, event: ev.CancelRequested, at: int) -> None:
    _remember(state, event.command)
    state.cancelling, state.reason = state.length, event.reason
    _arrive(state, CancelAsked(at))


def _recovered(state: RunState, event: ev.Recovered, at: int) -> None:
    state.recoveries += 1


def _suspended(state: RunState, event: ev.Suspended, at: int) -> None:
    _change_phase(state, event)
    state.delivered, state.build, state.stuck = event.delivered, event.build, event.message


def _resumed(state: RunState, event: ev.Resumed, at: int) -> None:
    _change_phase(state, event)
    state.build = state.stuck = ""
    if state.delivered < len(state.arrivals):
        state.held.append(Held(state.delivered, len(state.arrivals), at))
        state.delivered = len(state.arrivals)


def _noted(state: RunState, event: ev.Logged, at: int) -> None:
    """A line for people: no part of the state."""


def _run_completed(state: RunState, event: ev.RunCompleted, at: int) -> None:
    _end(state, event)
    state.result = event.result.copy()


def _run_failed(state: RunState, event: ev.RunFailed, at: int) -> None:
    _end(state, event)
    state.failure = _copied(event.error)


def _stopped(state: RunState, event: ev.RunCancelled | ev.RunTerminated, at: int) -> None:
    _end(state, event)
    state.reason = event.reason or state.reason
    if isinstance(event, ev.RunTerminated):
        _remember(state, event.command)


def _end(state: RunState, event: Event) -> None:
    _change_phase(state, event)
    for kept in (state.steps, state.retries, state.abandoned, state.timers):
        kept.clear()


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.RunStarted: _started,
    ev.StepScheduled: _scheduled,
    ev.StepCompleted: _completed,
    ev.StepFailed: _failed,
    ev.TimerSet: _timer_set,
    ev.TimerFired: _timer_fired,
    ev.EffectsAbandoned: _abandoned,
    ev.SignalReceived: _signalled,
    ev.AttributesSet: _attributes,
    ev.Logged: _noted,
    ev.CancelRequested: _cancel_requested,
    ev.Recovered: _recovered,
    ev.Suspended: _suspended,
    ev.Resumed: _resumed,
    ev.RunCompleted: _run_completed,
    ev.RunFailed: _run_failed,
    ev.RunCancelled: _stopped,
    ev.RunTerminated: _stopped,
}
