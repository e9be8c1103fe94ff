"""Messages, as an author meets them: waiting for a state that they change."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import cast

from .effects import Effect
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
    duration = None if timeout is None else microseconds(timeout)
    return cast("Coroutine[object, object, None]", WaitUntil(predicate, duration))
