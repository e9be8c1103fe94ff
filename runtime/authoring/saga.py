"""A saga: what was done so far has its undoing, and if the rest cannot be done, it is undone in reverse order.

(The pattern: Hector Garcia-Molina and Kenneth Salem, "Sagas", 1987.) Compensations are steps like any other, so they are
recorded, retried, and gone on with after a crash in the middle of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, Self

from ...eventlog.errors import Invalid
from .errors import Cancelled, failure_of
from .words import log

P = ParamSpec("P")

COMPENSATIONS_MAX = 10_000


class Saga:
    """`async with saga() as undo:` - after each thing done call `undo(its_undoing, *args)`; an error or a cancel undoes them all."""

    def __init__(self) -> None:
        self._undoing: list[Callable[[], Coroutine[Any, Any, object]]] = []

    def __call__(self, work: Callable[P, Coroutine[Any, Any, object]], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """From now on, an error undoes this first: `work(*args, **kwargs)` is awaited then, and only then."""
        if not callable(work):
            raise Invalid("a compensation is a function and its arguments", who="saga", where="undo", expected="undo(function, *args)",
                          found=repr(work), instead="pass the step itself and its arguments, without calling it")
        if len(self._undoing) >= COMPENSATIONS_MAX:
            raise Invalid("a saga has too many compensations", who="saga", where="undo", expected=f"at most {COMPENSATIONS_MAX}",
                          found="one more", instead="split the work into child workflows, each with a saga of its own")
        self._undoing.append(lambda: work(*args, **kwargs))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> bool:
        if error is None or isinstance(error, GeneratorExit):
            return False  # all is done; or the run only leaves memory
        failed = await self._undo()
        if failed and isinstance(error, Exception):
            raise ExceptionGroup("the saga failed, and some of it could not be undone", [error, *failed]) from None
        return False

    async def _undo(self) -> list[Exception]:
        """Every compensation, the last first; one that fails keeps none of the others from being done."""
        failed: list[Exception] = []
        while self._undoing:
            work = self._undoing.pop()
            try:
                await work()
            except Exception as error:
                failed.append(error)
                failure = failure_of(error)
                log("a compensation failed", level="error", error=failure.type, text=failure.message)
            except Cancelled as again:
                failed.append(RuntimeError(f"a compensation was cancelled: {again}"))
        return failed


def saga() -> Saga:
    """A saga for `async with`. If its block raises, what was registered by `undo(function, *args)` is awaited in reverse order.

    Compensations that fail are logged and keep none of the others from being done; where the block raised an Exception they
    are raised with it, as an ExceptionGroup whose first member is that error.
    """
    return Saga()
