"""Going on with a coroutine that has already been begun."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any


class Rest:
    """An awaitable: what is left of a coroutine whose first `send` gave `wish`, run in a context of its own.

    The task that awaits it is a real task of the loop, so timeouts, scopes and task groups inside work as ever.
    """

    __slots__ = ("context", "coroutine", "wish")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], wish: Any, context: Context) -> None:
        self.coroutine: Any = coroutine
        self.wish = wish
        self.context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine, wish = self.context.run, self.coroutine, self.wish
        while True:
            try:
                value = yield wish
            except BaseException as error:
                step, argument = coroutine.throw, error
            else:
                step, argument = coroutine.send, value
            try:
                wish = run(step, argument)
            except StopIteration as stop:
                return stop.value
