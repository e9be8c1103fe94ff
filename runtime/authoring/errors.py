"""What an author raises and catches, and how an exception travels through the log.

An exception is recorded as data (type, message, details, cause) and code sees the same thing live and on replay:
a StepError, or the class itself where `@step(raises=[…])` names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ...eventlog.errors import PerdureError

CAUSES_MAX = 8
MESSAGE_MAX = 4000


PARTS = ("who", "where", "expected", "found", "instead")


class Failure(Struct, frozen=True, omit_defaults=True, gc=False):
    """An exception as data."""

    type: str
    message: str
    details: Raw | UnsetType = UNSET
    cause: Failure | None = None

    @property
    def parts(self) -> dict[str, str]:
        """What an error of perdure says beside its message, as its own `parts` do; empty for any other."""
        if isinstance(self.details, UnsetType):
            return {}
        try:
            fields = msgspec.json.decode(self.details, type=dict[str, Raw])
            return {name: msgspec.json.decode(fields[name], type=str) for name in PARTS if name in fields and "instead" in fields}
        except msgspec.ValidationError:  # another error, whose fields have the same names
            return {}

    def lesson(self) -> str:
        """The parts of the first error of perdure in the chain, a line each, each behind a line break; empty where there is none."""
        failure: Failure | None = self
        while failure is not None:
            if parts := failure.parts:
                return "".join(f"\n  {name + ':':<10}{text}" for name, text in parts.items())
            failure = failure.cause
        return ""


class Fatal(Exception):
    """Raised by a step: trying again would not help."""


class CompleteLater(BaseException):
    """Raised by a step that has handed `current().token` to somebody: the step goes on being open, without an attempt, until it is
    ended by `runtime.complete(token, value)` or `runtime.fail(token, error)`, or until its `overall` time is up.
    """


class Told(Exception):
    """What failed elsewhere, as the log tells it: `type` and `message` of the error, `details` its fields, `cause` what was behind it."""

    failure: Failure

    @property
    def type(self) -> str:
        return self.failure.type

    @property
    def message(self) -> str:
        return self.failure.message

    @property
    def details(self) -> Any:
        return None if isinstance(self.failure.details, UnsetType) else msgspec.json.decode(self.failure.details)

    @property
    def cause(self) -> Failure | None:
        return self.failure.cause


class StepError(Told):
    """A step failed for good."""

    def __init__(self, step: str, failure: Failure) -> None:
        super().__init__(f"step {step!r} failed: {failure.type}: {failure.message}")
        self.step = step
        self.failure = failure


INTERRUPTED = "perdure.Interrupted"
"""The type under which the log keeps an interrupted attempt: with a dot, so that no class of a user's is meant."""


class Interrupted(StepError):
    """An attempt of an `at_most_once` step had begun when its owner was lost: nobody knows whether it took effect.

    It is not attempted again by itself; find out what became of it, and decide.
    """


class ChildError(Told):
    """A child, or a run that was attached to, gave no result.

    `status` says why: failed, cancelled, terminated, or refused where it could not be started or found. `run` is its id.
    """

    def __init__(self, run: str, status: str, failure: Failure) -> None:
        super().__init__(f"run {run!r} {status}: {failure.type}: {failure.message}")
        self.run = run
        self.status = status
        self.failure = failure


class ApprovalExpired(Exception):
    """Nobody decided an approval in time, and its policy says that this is a failure. `name` is that of the approval."""

    def __init__(self, name: str) -> None:
        super().__init__(f"nobody decided approval {name!r} in time")
        self.name = name


class RunError(Exception):
    """A run ended without a result: it failed, was cancelled or was terminated. Raised by `result()`."""

    def __init__(self, run: str, status: str, failure: Failure | None) -> None:
        text = f": {failure.type}: {failure.message}{failure.lesson()}" if failure else ""
        super().__init__(f"run {run!r} {status}{text}")
        self.run = run
        self.status = status
        self.failure = failure


class HandlerError(Exception):
    """A handler of a run raised, or its result could not be carried. Raised by `update()` and `query()`; the run goes on."""

    def __init__(self, run: str, handler: str, failure: Failure) -> None:
        super().__init__(f"run {run!r}, {handler}: {failure.type}: {failure.message}{failure.lesson()}")
        self.run = run
        self.handler = handler
        self.failure = failure

    @property
    def type(self) -> str:
        return self.failure.type

    @property
    def message(self) -> str:
        return self.failure.message


class Cancelled(BaseException):
    """Raised at an await of a workflow: the run, the branch or the scope is cancelled. Clean up and let it pass."""

    def __init__(self, source: object = None) -> None:
        super().__init__("cancelled")
        self.source = source
        """The scope or group that cancels; None for the run itself."""


class ForeignAwait(PerdureError):
    """A workflow used something that only an event loop can serve."""

    code, exit_code, http_status = "foreign_await", 5, 422


def failure_of(error: BaseException) -> Failure:
    """An exception as data, its chain of causes included."""
    return _failure(error, CAUSES_MAX)


def _failure(error: BaseException, room: int) -> Failure:
    if isinstance(error, Told) and not error.__cause__:
        return Failure(type(error).__name__, str(error), cause=error.failure)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = _failure(cause, room - 1) if cause is not None and room else None
    return Failure(type(error).__name__, _text(error), _details(error), inner)


def _text(error: BaseException) -> str:
    text = error.message if isinstance(error, PerdureError) else str(error)
    return text[:MESSAGE_MAX].encode("utf-8", "backslashreplace").decode()


def _details(error: BaseException) -> Raw | UnsetType:
    """The encodable fields of an exception: its attributes, and its arguments where they say more than its text."""
    fields: dict[str, Any] = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    if isinstance(error, PerdureError):
        fields = {name: text for name, text in error.parts().items() if name != "message"}
    elif error.args and error.args != (str(error),):
        fields["args"] = list(error.args)
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            if msgspec.json.decode(msgspec.json.encode(value)) == value:
                kept[name] = value
        except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
            continue
    return Raw(msgspec.json.encode(kept, order="deterministic")) if kept else UNSET


def raised(step: str, failure: Failure, raises: Sequence[type[Exception]]) -> Exception:
    """What the workflow's code is to see of a failed step."""
    if failure.type == INTERRUPTED:
        return Interrupted(step, failure)
    kind = next((kind for kind in raises if kind.__name__ == failure.type), None)
    if kind is None:
        return StepError(step, failure)
    fields: dict[str, Any] = msgspec.json.decode(failure.details) if not isinstance(failure.details, UnsetType) else {}
    if issubclass(kind, PerdureError):
        return kind(failure.message, **fields)
    error = kind.__new__(kind)
    error.args = tuple(fields.pop("args", (failure.message,)))
    vars(error).update(fields)
    return error
