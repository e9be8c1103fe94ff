"""Attempts in another process: what travels there and back, as JSON by the step's own shapes. No pickle.

A process beside this one imports the module of the step, finds the step by its name, and performs it; so a step that is to run
there must be importable, which is checked where it is defined. The worker of a task queue knows its steps by their names.
"""

from __future__ import annotations

from contextvars import copy_context
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Raw, Struct

from ...eventlog.blobs import Artifact, Blob
from ...eventlog.errors import Invalid
from ..authoring.driving import Driver
from ..authoring.effects import StepCall
from ..authoring.errors import CompleteLater, Failure, Fatal, failure_of
from ..authoring.retry import kinds_of
from ..authoring.rules import place_of
from ..authoring.steps import ATTEMPT, Care, Step
from ..authoring.values import NOTHING

if TYPE_CHECKING:
    from .job import Job


class Order(Struct, frozen=True, omit_defaults=True):
    """An attempt to be performed: the step, its arguments, and what `current()` is to tell; to a task queue it says a little more."""

    step: str
    """`module:name` for a process beside this one, the step's own name for a task queue."""
    args: Raw
    stream: str
    id: str
    attempt: int
    keys: int
    seed: int
    queue: str = ""
    at: int = 0
    """When the run wanted it, in microseconds since 1970."""
    blob: Blob | None = None
    """What holds the arguments, where they are large, among the blobs of the run."""


class Report(Struct, frozen=True, omit_defaults=True):
    """What became of it: a value, or an error as data, or neither because somebody else is to end it."""

    value: Raw = NOTHING
    failure: Failure | None = None
    kinds: tuple[str, ...] = ()
    for_good: bool = False
    later: bool = False


class FailedElsewhere(Exception):
    """The attempt raised in the other process; `report` says what."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.failure and report.failure.message)
        self.report = report


class ProcessEnded(Exception):
    """The process that performed an attempt ended before the attempt did."""


class _There(Struct):
    """An attempt, as the process that performs it knows it."""

    stream: str
    id: str
    attempt: int
    call: StepCall[Any]
    artifacts: list[Artifact] | None = None
    care: Care | None = None


class _Seed(Struct):
    seed: int


def order(stream: str, id: str, attempt: int, call: StepCall[Any]) -> bytes:
    """The attempt as bytes for the other process."""
    return msgspec.json.encode(Order(place_of(call.step.function), call.raw, stream, id, attempt, call.keys, call.driver.seed))


def order_for(queue: str, job: Job, *, large_bytes: int) -> Order:
    """The attempt as a task queue keeps it. Large arguments are in a blob of the run by the time that an attempt is wanted."""
    call, asked_at = job.call, 0 if job.care is None else job.care.asked_at
    blob = Blob.of(bytes(call.raw)) if len(call.raw) > large_bytes else None
    args = call.raw if blob is None else NOTHING
    return Order(call.step.name, args, job.stream, job.id, job.attempt, call.keys, call.driver.seed, queue, asked_at, blob)


def call_of(asked: Order, step: Step[..., Any], args: Raw) -> StepCall[Any]:
    """The call that an order asks for; Invalid where the arguments do not fit the step."""
    call = StepCall(step, args, step.arguments.decode(args), cast("Driver", _Seed(asked.seed)))
    call.keys = asked.keys
    return call


def value_of(call: StepCall[Any], data: bytes) -> Any:
    """What the attempt returned, out of the bytes that came back; raises what it raised."""
    report = msgspec.json.decode(data, type=Report)
    if report.later:
        raise CompleteLater
    if report.failure is not None:
        raise FailedElsewhere(report)
    return call.step.returns.decode(report.value)


def perform(data: bytes) -> bytes:
    """Perform an order; called in the other process."""
    return msgspec.json.encode(copy_context().run(_perform, msgspec.json.decode(data, type=Order)))


def _perform(asked: Order) -> Report:
    try:
        step = _found(asked.step)
        call = call_of(asked, step, asked.args)
        ATTEMPT.set(_There(asked.stream, asked.id, asked.attempt, call))
        args, kwargs = step.arguments.split(call.arguments)
        return Report(step.returns.encode(step.function(*args, **kwargs)))
    except CompleteLater:
        return Report(later=True)
    except (Exception, SystemExit) as error:
        return Report(failure=failure_of(error), kinds=kinds_of(error), for_good=isinstance(error, Fatal | Invalid))


def _found(where: str) -> Step[..., Any]:
    module, _, name = where.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Step):
        raise Invalid(
            "another process cannot find the step",
            who=f"step {name!r}",
            where=f"module {module}",
            expected="the step under the name of its function",
            found=type(found).__name__,
            instead="decorate the function where it is defined, with @step(executor='process')",
        )
    return cast("Step[..., Any]", found)
