"""The events of steps; see `events` for what may never change of them."""

from __future__ import annotations

from msgspec import Raw

from ...eventlog.blobs import Artifact, Blob
from ...eventlog.codec import Event
from ..authoring.errors import Failure


class StepScheduled(Event, frozen=True):
    """The code wants a step; it is performed until its outcome is recorded, or until its time is up."""

    id: str
    name: str
    args: Raw
    due: int = 0
    """When its overall time is up, in microseconds since 1970; 0 where it has no limit."""
    blob: Blob | None = None


class StepStarted(Event, frozen=True):
    """An attempt that must not be begun twice is about to begin; `started` and `worker` tell this beginning from any other."""

    id: str
    attempt: int
    started: int
    worker: str


class StepHeartbeat(Event, frozen=True):
    """A running attempt told how far it has come."""

    id: str
    attempt: int
    details: Raw


class StepDeferred(Event, frozen=True):
    """An attempt ended without an outcome: somebody who has its token will end the step."""

    id: str
    attempt: int


class StepCompleted(Event, frozen=True):
    """`started` and `ended` in microseconds since 1970; `command` where it was ended from outside, by its token.

    `artifacts` are what the attempt stored.
    """

    id: str
    attempt: int
    value: Raw
    started: int
    ended: int
    worker: str
    command: str = ""
    blob: Blob | None = None
    artifacts: tuple[Artifact, ...] = ()


class StepFailed(Event, frozen=True):
    """An attempt failed; with `retry_at` (microseconds since 1970) another follows, without it the failure is final.

    Without a `worker` it was the clock that ended the step: its overall time was up.
    """

    id: str
    attempt: int
    error: Failure
    started: int
    ended: int
    worker: str
    retry_at: int | None = None
    command: str = ""


class StepSkipped(Event, frozen=True):
    """A person gave an open step its value."""

    id: str
    value: Raw
    by: str = ""
    why: str = ""
    command: str = ""
    blob: Blob | None = None
