"""What may be wished of a run. `command` is the id under which a repeat from outside gets its first answer.

An attempt that returned is reported as the fact it becomes if it is still wanted: `StepCompleted` itself is the command.
"""

from __future__ import annotations

from msgspec import Raw, Struct

from ..authoring.errors import Failure
from ..authoring.retry import Retry
from .events import StepCompleted


class Start(Struct, frozen=True, gc=False):
    """Begin the run."""

    workflow: str
    version: int
    input: Raw
    seed: int
    command: str = ""


class StepBroke(Struct, frozen=True, gc=False):
    """An attempt raised; `retry` is what its step's policy says, None where it must not be tried again."""

    id: str
    attempt: int
    error: Failure
    started: int
    ended: int
    worker: str
    retry: Retry | None


class Wake(Struct, frozen=True, gc=False):
    """Look at the clock: fire what is due, perform what is wanted."""


class Signal(Struct, frozen=True, gc=False):
    """Hand the code a message."""

    name: str
    value: Raw
    command: str = ""


class Cancel(Struct, frozen=True, gc=False):
    """End the run, its cleanup done."""

    reason: str = ""
    command: str = ""


class Terminate(Struct, frozen=True, gc=False):
    """End the run at once."""

    reason: str = ""
    command: str = ""


class Look(Struct, frozen=True, gc=False):
    """Change nothing; the answer is the state of the run."""


Command = Start | StepCompleted | StepBroke | Wake | Signal | Cancel | Terminate | Look
