"""Attempts in another process: what travels there and back, as JSON by the step's own shapes. No pickle.

The other process imports the module of the step, finds the step by its name, and performs it; so a step that is to run there
must be importable, which is checked where it is defined.
"""

from __future__ import annotations

from contextvars import copy_context
from importlib import import_module
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct

from ...eventlog.blobs import Artifact
from ...eventlog.errors import Invalid
from ..authoring.driving import Driver
from ..authoring.effects import StepCall
from ..authoring.errors import CompleteLater, Failure, Fatal, failure_of
from ..authoring.retry import kinds_of
from ..authoring.rules import place_of
from ..authoring.steps import ATTEMPT, Care, Step
from ..authoring.values import NOTHING


class Order(Struct, frozen=True):
    """An attempt to be performed: the step as `module:name`, its arguments, and what `current()` is to tell."""

    step: str
    args: Raw
    stream: str
    id: str
    attempt: int
    keys: int
    seed: int


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
        arguments = step.arguments.decode(asked.args)
        call = StepCall(step, asked.args, arguments, cast("Driver", _Seed(asked.seed)))
        call.keys = asked.keys
        ATTEMPT.set(_There(asked.stream, asked.id, asked.attempt, call))
        args, kwargs = step.arguments.split(arguments)
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
