"""What a run asks of the world: the port through which its effects are performed, and how it says that it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from msgspec import Raw, Struct

from ...eventlog.blobs import Blob
from ..authoring.effects import StepCall
from ..authoring.errors import Failure
from .errands import Errand
from .state import Asked, RunState, Update


class Trouble(NamedTuple):
    """What people are to be told of a run once it is durable: `what` has become of it, and by which error of its code."""

    run: str
    workflow: str
    what: str
    error: BaseException | None = None


class Standing(Struct, frozen=True):
    """How a run stands: what every command to it answers."""

    version: int
    """Where the command was applied, or, for a look, how far the run has come."""
    status: str
    workflow: str
    result: Raw | None = None
    failure: Failure | None = None
    reason: str = ""
    approvals: Mapping[str, Asked] = MappingProxyType({})
    """What it asks people, by id; told to a look."""
    blob: Blob | None = None
    """What holds the result, where it is large."""
    by: str = ""
    """Whose run it is."""
    started: int = 0
    changed: int = 0
    """When it began, and when something happened to it last, in microseconds since 1970; told to a look, with its attributes as JSON."""
    attributes: bytes = b"{}"


def status_of(facts: RunState) -> str:
    """What others are told: its phase, or that it has moved."""
    return "moved" if facts.away else facts.phase


def standing_of(facts: RunState, version: int) -> Standing:
    """How the run stands, for a command that was applied at this version."""
    status = status_of(facts)
    result, blob = (facts.result, facts.result_blob) if status == "completed" else (None, None)
    reason = f"to the log {facts.away_to}" if facts.away else facts.stuck or facts.reason
    return Standing(version, status, facts.workflow, result, facts.failure, reason, blob=blob, by=facts.by)


class Answer(Struct, frozen=True):
    """What a handler answered, and at which version of the run."""

    version: int
    result: Raw
    failure: Failure | None = None
    blob: Blob | None = None
    """What holds the result, where it is large."""


class Performing(Protocol):
    """Where effects are performed; what becomes of them comes back as commands."""

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        """Perform an attempt of a step, unless it is in flight already."""
        ...

    def start_again(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        """As `start`, for an attempt that may have ended by now, so that its outcome lies in the mailbox: that is not begun again."""
        ...

    def cancel(self, stream: str, id: str) -> None: ...

    def hold(self, stream: str, ids: Iterable[str]) -> Mapping[str, StepCall[Any]]:
        """Begin no attempt of these steps that has not begun yet; those of them that were to begin."""
        ...

    def carry(self, stream: str, errands: Iterable[Errand]) -> None:
        """Say these to other runs until they are answered, unless they are under way, or answered in the mailbox."""
        ...

    def remove(self, stream: str, release: int) -> None:
        """Remove the contents that were released at this version, unless that is under way."""
        ...

    def lost(self, stream: str) -> None:
        """Another node owns the run: stop what is in flight, and tell who waits for its end."""
        ...

    def wake_at(self, stream: str, due: int) -> None:
        """Send Wake once the clock says `due`."""
        ...

    def rest_until(self, stream: str, due: int | None) -> None:
        """The run is suspended, under the code of this node too: no sweep is to wake it here again, only the clock, if `due`."""
        ...

    def time(self) -> int: ...

    def said(self, lines: list[Any]) -> None:
        """What the code logged by ordinary `logging` is durable now: emit these records, and leave the list empty."""
        ...

    def updated(self, stream: str, updates: Mapping[str, Update]) -> None:
        """What became of the run's updates, by their commands: who waits for an answer may have it."""
        ...

    def ended(self, stream: str, standing: Standing) -> None:
        """The run has ended: who waits for its result may have it."""
        ...
