"""Interceptors: code around every attempt of a step, for tracing, rights and measures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from ...eventlog.errors import Invalid
from ..authoring.steps import Attempt

Next = Callable[[], Awaitable[Any]]
Interceptor = Callable[[Attempt, Next], Coroutine[Any, Any, Any]]
"""`async def around(attempt, call_next)`: awaits `call_next()` for what the step returns, and returns the outcome."""

Around = Callable[[Attempt, Next], Coroutine[Any, Any, Any]]


def chain(interceptors: Iterable[Interceptor]) -> Around | None:
    """One interceptor that is all of them, the first one outermost; None where there are none."""
    chain = tuple(interceptors)
    for one in chain:
        if not (iscoroutinefunction(one) or iscoroutinefunction(getattr(one, "__call__", None))):  # noqa: B004 - what a call gives is asked
            raise Invalid("an interceptor must be an async function", who=repr(one), where="interceptors",
                          expected="async def around(attempt, call_next)", found=type(one).__name__,
                          instead="write it with 'async def', and 'return await call_next()'")
    if not chain:
        return None

    def around(attempt: Attempt, begin: Next) -> Coroutine[Any, Any, Any]:
        for one in reversed(chain[1:]):
            begin = partial(one, attempt, begin)
        return chain[0](attempt, begin)

    return around
