"""Steps: functions that really run, whose outcome is recorded once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from datetime import timedelta
from hashlib import sha256
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from msgspec import Struct

from ...eventlog.errors import Invalid
from ...eventlog.streams import parts_of
from .driving import DRIVER
from .effects import StepCall
from .retry import ONCE, Retry
from .values import Arguments, Shape, hints_of, name_of

P = ParamSpec("P")
R = TypeVar("R")


class Attempt(Struct, frozen=True, gc=False):
    """What a running step may know of itself: see `current`."""

    stream: str
    step: str
    effect: str
    """The id of the step within its run."""
    attempt: int
    """Counted from 1."""
    keys: int = 0
    """How often the run was retried with fresh keys."""

    @property
    def run(self) -> str:
        """The id of the run."""
        return parts_of(self.stream)[2]

    @property
    def idempotency_key(self) -> str:
        """The same over all attempts and owners of this step of this run; hand it to whatever the step changes."""
        fresh = f"#{self.keys}" if self.keys else ""
        return sha256(f"{len(self.stream)}:{self.stream}:{self.effect}{fresh}".encode()).hexdigest()[:32]


class Performed(Protocol):
    """What performs a step says of itself; an Attempt is made from it only for who asks."""

    stream: str
    id: str
    attempt: int
    call: StepCall[Any]


ATTEMPT: ContextVar[Performed | None] = ContextVar("perdure_attempt", default=None)


def current() -> Attempt:
    """The attempt that runs right now; Invalid outside a step."""
    performed = ATTEMPT.get()
    if performed is None:
        raise Invalid(
            "current() was called outside a step",
            who="current()",
            expected="a call from the code of an @step function that a run performs",
            found="no step is being performed here",
            instead="call it inside the step, and pass on what you need of it",
        )
    return Attempt(performed.stream, performed.call.step.name, performed.id, performed.attempt, performed.call.keys)


class Step(Generic[P, R]):
    """A function made a step. Called in a workflow it is an effect; anywhere else it is the function itself."""

    def __init__(self, function: Callable[P, Awaitable[R] | R], *, name: str, retry: Retry, timeout: timedelta | None,
                 raises: Sequence[type[Exception]]) -> None:
        functools.update_wrapper(self, function)
        self.function: Callable[..., Any] = function
        self.name = name
        self.retry = retry
        self.timeout = timeout
        self.raises = tuple(raises)
        self.is_async = inspect.iscoroutinefunction(function)
        self.arguments = Arguments(function, f"step {name!r}")
        self.is_plain = self.is_async and self.arguments.plain
        """Whether calling the function with the received arguments gives the coroutine to perform."""
        self.returns = Shape(hints_of(function, f"step {name!r}").get("return", Any), f"step {name!r}, return value")

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        driver = DRIVER.get()
        if driver is None:
            return self._outside(*args, **kwargs)
        raw, arguments = self.arguments.pair(args, kwargs)
        return StepCall(self, raw, arguments, driver)  # pyright: ignore[reportReturnType] # awaited like the coroutine it stands for

    def _outside(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        made = self.function(*args, **kwargs) if self.is_async else _call_sync(self.function, *args, **kwargs)
        return cast("Coroutine[object, object, R]", made)


async def _call_sync(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


class _Decorator:
    """`step(...)` with options: keeps the signature of what it decorates, async or not."""

    def __init__(self, name: str | None, retry: Retry, timeout: timedelta | None, raises: Sequence[type[Exception]]) -> None:
        self._name, self._retry, self._timeout, self._raises = name, retry, timeout, raises

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Step[..., Any]:
        name = self._name or name_of(function)
        return Step(function, name=name, retry=self._retry, timeout=self._timeout, raises=self._raises)


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
    raises: Sequence[type[Exception]] = (),
) -> _Decorator: ...
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: timedelta | None = None,
    raises: Sequence[type[Exception]] = (),
) -> Any:
    """Make a function a step of workflows: attempts are at least once, the outcome is recorded once.

    Without `retry` a failure is final. `timeout` bounds one attempt (a plain function cannot be stopped: its slot stays
    taken until it returns). Exceptions named in `raises` reach the workflow as themselves, all others as StepError.
    A plain function runs in a worker thread. `name` is what the log calls the step, the function's name by default.
    """
    if timeout is not None and timeout <= timedelta(0):
        raise Invalid(
            "a timeout must be positive",
            who=f"step {name or getattr(function, '__name__', '')!r}",
            where="timeout",
            found=str(timeout),
            instead="leave it out to have none",
        )
    decorate = _Decorator(name, retry or ONCE, timeout, raises)
    return decorate if function is None else decorate(function)
