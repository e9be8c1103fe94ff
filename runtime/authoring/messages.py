"""Messages, as an author meets them: handlers for what is sent to a run, and waiting for a state that they change."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, cast

from ...eventlog.errors import Invalid
from .driving import driver
from .effects import Effect
from .given import shown
from .handlers import QueryHandler, SignalHandler, UpdateHandler
from .retry import microseconds


class WaitUntil(Effect[None]):
    """Wait until a predicate holds, for at most `duration` microseconds."""

    __slots__ = ("duration", "predicate")

    def __init__(self, predicate: Callable[[], object], duration: int | None) -> None:
        self.predicate = predicate
        self.duration = duration

    def __repr__(self) -> str:
        return "wait_until"


def wait_until(predicate: Callable[[], object], timeout: timedelta | None = None) -> Coroutine[object, object, None]:
    """Wait until `predicate()` is true; TimeoutError once `timeout` has passed without that.

    It is looked at whenever the run's code has come to rest after something arrived, so it speaks of what the code itself
    changes: variables, not the clock. Who has waited longest goes on first, and the next predicate is looked at only when
    that code rests again: `await wait_until(lambda: not busy); busy = True` lets one in. A predicate may not await; one that
    raises fails the await.
    """
    if not callable(predicate):
        raise Invalid("a condition is looked at again and again", who="wait_until", where="predicate",
                      expected="a function without arguments", found=shown(predicate),
                      instead="write for example wait_until(lambda: paid)")
    duration = None if timeout is None else microseconds(timeout, "wait_until", "timeout")
    return cast("Coroutine[object, object, None]", WaitUntil(predicate, duration))


def on_signal(name: str, handler: Callable[[Any], object] | Callable[[], object]) -> None:
    """Hand every signal of this name to `handler(value)`, in the order of the log, those first that have come already.

    The value is decoded by the annotation of the parameter. An async handler runs beside the workflow's own code, several at
    once if several signals come. A handler that raises ends the run as failed; the run does not wait for handlers
    when its own code has returned (`await wait_until(lambda: not handling())` does).
    """
    driver("on_signal()").hear(SignalHandler(name, handler))


def on_update(name: str, handler: Callable[..., object], validate: Callable[..., object] | None = None) -> None:
    """Answer `run.update(name, ...)` with what `handler(...)` returns, or awaits and returns.

    `validate`, called first with the same arguments, turns an update away by raising: its sender gets Refused with that
    text, and nothing is recorded. It may only look. What the handler itself raises reaches the sender as HandlerError, and
    the run goes on.
    """
    driver("on_update()").hear(UpdateHandler(name, handler, validate))


def on_query(name: str, handler: Callable[..., object]) -> None:
    """Answer `run.query(name, ...)` with what the plain function `handler(...)` returns. It may only look: change nothing in it."""
    driver("on_query()").hear(QueryHandler(name, handler))


def handling() -> int:
    """How many calls of signal and update handlers have begun and not ended."""
    return driver("handling()", looks=True).handling()
