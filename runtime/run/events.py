"""The events of a run. Their names and fields are for ever: see `eventlog.codec` for how a shape may change."""

from __future__ import annotations

from msgspec import Raw

from ...eventlog.codec import Codec, Event
from ..authoring.errors import Failure


class RunStarted(Event, frozen=True):
    """The run began; `input` holds the arguments, `seed` feeds its chance."""

    workflow: str
    version: int
    input: Raw
    seed: int
    command: str = ""


class StepScheduled(Event, frozen=True):
    """The code wants a step; it is performed until its outcome is recorded."""

    id: str
    name: str
    args: Raw


class StepCompleted(Event, frozen=True):
    """`started` and `ended` in microseconds since 1970."""

    id: str
    attempt: int
    value: Raw
    started: int
    ended: int
    worker: str


class StepFailed(Event, frozen=True):
    """An attempt failed; with `retry_at` (microseconds since 1970) another follows, without it the failure is final."""

    id: str
    attempt: int
    error: Failure
    started: int
    ended: int
    worker: str
    retry_at: int | None = None


class TimerSet(Event, frozen=True):
    """The code waits for a moment, in microseconds since 1970."""

    id: str
    due: int


class TimerFired(Event, frozen=True):
    """A timer came due."""

    id: str
    due: int


class EffectsAbandoned(Event, frozen=True):
    """The code no longer wants these: a race was lost, a scope or the run cancelled."""

    ids: list[str]


class SignalReceived(Event, frozen=True):
    """A message for the code arrived."""

    name: str
    value: Raw
    command: str = ""


class AttributesSet(Event, frozen=True):
    """New values of searchable attributes; null takes one away."""

    values: dict[str, Raw]


class Logged(Event, frozen=True):
    """The code wrote a line for people."""

    level: str
    message: str
    fields: Raw


class CancelRequested(Event, frozen=True):
    """Somebody wants the run to end, its cleanup done."""

    reason: str = ""
    command: str = ""


class Recovered(Event, frozen=True):
    """Another owner, or the same after a restart, takes over what was in flight."""

    owner: str
    epoch: int


class Suspended(Event, frozen=True):
    """The engine stopped the run. `delivered` is how many arrivals the code had taken when it still agreed with the log."""

    reason: str
    build: str
    delivered: int
    message: str
    where: str = ""
    expected: str = ""
    found: str = ""
    instead: str = ""


class Resumed(Event, frozen=True):
    """A build that agrees with the log goes on."""

    build: str = ""
    command: str = ""


class RunCompleted(Event, frozen=True):
    """The code returned."""

    result: Raw


class RunFailed(Event, frozen=True):
    """`kind`: "step" where a step's failure ended the run, else "code"."""

    kind: str
    error: Failure


class RunCancelled(Event, frozen=True):
    """The code ended after it was cancelled."""

    reason: str = ""


class RunTerminated(Event, frozen=True):
    """The run was ended from outside, its code untouched."""

    reason: str = ""
    command: str = ""


RUN_EVENTS: tuple[type[Event], ...] = (
    RunStarted, StepScheduled, StepCompleted, StepFailed, TimerSet, TimerFired, EffectsAbandoned, SignalReceived, AttributesSet, Logged,
    CancelRequested, Recovered, Suspended, Resumed, RunCompleted, RunFailed, RunCancelled, RunTerminated,
)  # fmt: skip

CODEC: Codec[Event] = Codec("run", *RUN_EVENTS)
