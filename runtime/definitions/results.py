"""What the steps of a run have given so far, and who may see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, UnsetType

from ...eventlog.errors import PerdureError
from ..authoring.errors import StepError, Told
from .durations import duration_of
from .model import Reads, StepSpec

Status = Literal["completed", "failed", "skipped"]


class Result(Struct, frozen=True):
    """How a step ended, as expressions see it."""

    status: Status
    output: Any = None
    error: dict[str, Any] | None = None


SKIPPED = Result("skipped")


class Scope:
    """The results and the variables that the expressions of one list of steps may name."""

    def __init__(self, names: Mapping[str, Any], steps: dict[str, Result] | None = None, outer: Scope | None = None) -> None:
        self._names = names
        self.steps: dict[str, Result] = {} if steps is None else steps
        self._outer = outer

    def within(self, **names: Any) -> Scope:
        """For steps within a step, whose results are seen outside."""
        return Scope({**self._names, **names}, self.steps, self._outer)

    def apart(self, **names: Any) -> Scope:
        """For steps whose results are seen among themselves alone."""
        return Scope({**self._names, **names}, {}, self)

    def view(self, reads: Reads) -> dict[str, Any]:
        """The part that expressions read, as plain data. What is not there yet is left out: `has()` says so."""
        view = {name: self._names[name] for name in reads.names if name in self._names}
        if reads.steps:
            found = {id: self.find(id) for id in reads.steps}
            view["steps"] = {id: msgspec.to_builtins(result) for id, result in found.items() if result is not None}
        return view

    def find(self, id: str) -> Result | None:
        """The result of a step; None where it has none yet."""
        if id in self.steps:
            return self.steps[id]
        return None if self._outer is None else self._outer.find(id)


def error_as_data(error: Exception) -> dict[str, Any]:
    """An error as expressions see it: what was behind a failed step, not the wrapping."""
    if isinstance(error, Told):
        return {"type": error.type, "message": error.message}
    return {"type": type(error).__name__, "message": str(error)}


AT = "_at_step_of_definition"
"""An attribute that the log does not keep."""


def note_step(error: Exception, step: StepSpec) -> None:
    """Note on an error at which step it came up: that is the innermost of those it passes."""
    vars(error).setdefault(AT, step)


def name_step(error: Exception) -> None:
    """Let an error that ends the run say at which step of the definition it came up.

    Those that a definition handles keep their text: it is what its expressions were given, and so in the log.
    """
    step: StepSpec | None = vars(error).get(AT)
    if step is None:
        return
    if isinstance(error, StepError):
        error.args = (f"step {step.id!r} failed: {error.type}: {error.message}",)
    elif isinstance(error, TimeoutError) and not error.args and not isinstance(step.timeout, UnsetType):
        error.args = (f"step {step.id!r} took longer than {duration_of(step.timeout, step.id).total_seconds():g} s",)
    elif repr(step.id) in str(error):
        pass
    elif isinstance(error, PerdureError):
        error.message = f"step {step.id!r}: {error.message}"
    elif len(error.args) <= 1:
        error.args = (f"step {step.id!r}: {error}",)
