"""Several things side by side: gather, first_of, task_group, timeout.

Each is structured: it ends when all its branches have ended. Branches are named by their place (or by the name they are
given), so that a step added to one of them never shifts the steps of another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, cast, overload

from msgspec import Struct

from ...eventlog.errors import Invalid
from .driving import driver
from .effects import CloseScope, JoinGroup, JoinTask, OpenGroup, OpenScope, Together
from .errors import Cancelled
from .given import must_be_awaitable
from .retry import microseconds

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")


@overload
def gather(a: Awaitable[T1], b: Awaitable[T2], /) -> Coroutine[object, object, tuple[T1, T2]]: ...
@overload
def gather(a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], /) -> Coroutine[object, object, tuple[T1, T2, T3]]: ...
@overload
def gather(
    a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], d: Awaitable[T4], /
) -> Coroutine[object, object, tuple[T1, T2, T3, T4]]: ...
@overload
def gather(
    a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], d: Awaitable[T4], e: Awaitable[T5], /
) -> Coroutine[object, object, tuple[T1, T2, T3, T4, T5]]: ...
@overload
def gather(
    a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], d: Awaitable[T4], e: Awaitable[T5], f: Awaitable[T6], /
) -> Coroutine[object, object, tuple[T1, T2, T3, T4, T5, T6]]: ...
@overload
def gather(*work: Awaitable[T], return_exceptions: Literal[False] = False) -> Coroutine[object, object, tuple[T, ...]]: ...
@overload
def gather(*work: Awaitable[T], return_exceptions: Literal[True]) -> Coroutine[object, object, tuple[T | Exception, ...]]: ...
def gather(*work: Awaitable[Any], return_exceptions: bool = False) -> Coroutine[object, object, tuple[Any, ...]]:
    """The results of all, in their order. The first that fails cancels the others, and its error is raised once they have ended;

    with `return_exceptions` errors are results instead.
    """
    must_be_awaitable(work, "gather")
    return cast("Coroutine[object, object, tuple[Any, ...]]", Together(work, keep_errors=return_exceptions))


class First(Struct, Generic[T], frozen=True):
    """Which of the awaitables of a `first_of` ended first (counted from 0), and its result."""

    index: int
    value: T


def first_of(*work: Awaitable[T]) -> Coroutine[object, object, First[T]]:
    """The first to end, in the order of the log; its error is raised. The others are cancelled and have ended before this returns."""
    if not work:
        raise Invalid(
            "a race needs somebody who runs",
            who="first_of",
            where="arguments",
            expected="at least one awaitable",
            found="none",
            instead="leave the race out where there is nothing to wait for",
        )
    must_be_awaitable(work, "first_of")
    return cast("Coroutine[object, object, First[T]]", Together(work, first=True))


class Task(Generic[T]):
    """A branch of a task group; await it for its result."""

    def __init__(self, branch: Any) -> None:
        self._branch = branch

    def __await__(self) -> Generator[Any, Any, T]:
        return cast("Generator[Any, Any, T]", JoinTask(self._branch).__await__())

    def result(self) -> T:
        """The result of an ended branch; raises its error."""
        return cast("T", self._branch.outcome())


class TaskGroup:
    """`async with task_group() as group:` ends when every branch has.

    A branch that fails cancels the rest, and the errors are raised as a group.
    """

    def __init__(self) -> None:
        self._group: Any = None

    async def __aenter__(self) -> Self:
        self._group = await OpenGroup()
        return self

    def start(self, work: Awaitable[T], *, name: str | None = None) -> Task[T]:
        """Begin a branch; `name`, or else its number, is part of the ids of its steps."""
        must_be_awaitable((work,), "task_group.start")
        return Task(driver("task_group.start()").join_in(self._group, work, name))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        group = self._group
        ours = isinstance(error, Cancelled) and error.source is group
        try:
            await JoinGroup(group, cancel=error is not None)
        except Cancelled as cancelled:
            if cancelled.source is not group:
                raise
        errors: list[Exception] = list(group.errors)
        if isinstance(error, Exception) and all(error is not known for known in errors):
            errors.append(error)
        if errors and (error is None or isinstance(error, Exception) or ours):
            raise ExceptionGroup("branches of a task_group failed", errors)


def task_group() -> TaskGroup:
    """Branches that begin one by one; see `TaskGroup.start`."""
    return TaskGroup()


class Scope:
    """`async with timeout(…)`: cancels its body when the time is up and turns that into TimeoutError."""

    def __init__(self, duration: timedelta) -> None:
        self._duration = microseconds(duration, "timeout")
        self.expired = False
        """Whether the time was up before the body ended."""

    async def __aenter__(self) -> Self:
        await OpenScope(self, self._duration)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await CloseScope(self)
        if isinstance(error, Cancelled) and error.source is self:
            raise TimeoutError from error


def timeout(duration: timedelta) -> Scope:
    """A limit of time for a block of a workflow; like every wait of a workflow it outlives the process."""
    return Scope(duration)
