"""Steps: functions that really run, whose outcome is recorded once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

import msgspec
from msgspec import Raw, Struct

from ...eventlog.blobs import Artifact
from ...eventlog.errors import Invalid, TooLarge
from ...eventlog.streams import parts_of
from .artifacts import ArtifactWriter, read_here
from .driving import DRIVER
from .effects import StepCall
from .given import Uncalled
from .resources import resource_of
from .retry import microseconds
from .rules import Rules, StepOptions
from .tokens import token_of
from .values import Arguments, Shape, hints_of, name_of

if TYPE_CHECKING:
    from sqlite3 import Connection

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


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
    performed: Performed | None = None
    """What performs it."""

    @property
    def run(self) -> str:
        """The id of the run."""
        return parts_of(self.stream)[2]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the step was called with, by the names of its parameters."""
        call = self.performed.call if self.performed is not None else None
        return MappingProxyType(call.step.arguments.named(call.arguments) if call is not None else {})

    @overload
    def resource(self, key: type[T]) -> T: ...
    @overload
    def resource(self, key: str) -> Any: ...
    def resource(self, key: Any) -> Any:
        """What `perdure.open(resources=…)` has under this type or name; Invalid where it has nothing."""
        return resource_of(key, f"step {self.step!r}")

    @property
    def idempotency_key(self) -> str:
        """The same over all attempts and owners of this step of this run; hand it to whatever the step changes."""
        fresh = f"#{self.keys}" if self.keys else ""
        return sha256(f"{len(self.stream)}:{self.stream}:{self.effect}{fresh}".encode()).hexdigest()[:32]


    def artifact(self, name: str) -> ArtifactWriter:
        """To store content of any size under a name: `async with current().artifact("report.csv") as out: await out.write(chunk)`.

        It counts with the outcome of this attempt: one that fails leaves nothing named. Of one name the last counts.
        """
        performed = self._performed()
        performed.artifacts = stored = [] if performed.artifacts is None else performed.artifacts
        return ArtifactWriter(stored, self.stream, name, f"step {self.step!r}")

    def read(self, artifact: Artifact) -> AsyncGenerator[bytes]:
        """The content of an artifact of this run, in chunks: `async for chunk in current().read(report)`.

        Gone where it is kept no longer, as after a retry of a run that ended long ago.
        """
        return read_here(self.stream, artifact)

    @property
    def token(self) -> str:
        """What ends this attempt from outside: hand it to whoever is to call `runtime.complete(token, value)`, and raise CompleteLater."""
        return token_of(self.stream, self.effect, self.attempt, self._performed().call.driver.seed)

    @property
    def last_heartbeat(self) -> Any:
        """The details that the attempt before this one told last; None where there were none. They survive a crash."""
        care = self._performed().care
        return None if care is None or care.before is None else msgspec.json.decode(care.before)

    def heartbeat(self, details: Any = None) -> None:
        """Tell that the attempt goes on, and how far it has come. Cheap: call it as often as you like, from a thread too.

        The details, at most 16 KiB as JSON (else TooLarge), are recorded a few times within each `heartbeat_timeout`; the next attempt
        finds the last in `last_heartbeat`.
        """
        care = self._performed().care
        if care is None or not care.listens:
            raise Invalid(
                "nobody listens to the heartbeat",
                who=f"step {self.step!r}",
                where="heartbeat()",
                expected="a step with a heartbeat_timeout",
                found="none",
                instead="write @step(heartbeat_timeout=timedelta(seconds=30)): an attempt that is silent for longer has failed",
            )
        raw = _details.encode(details)
        if len(raw) > HEARTBEAT_BYTES_MAX:
            raise TooLarge("the details of a heartbeat are too large", who=f"step {self.step!r}", where="heartbeat(details)",
                           expected=f"at most {HEARTBEAT_BYTES_MAX} bytes as JSON", found=f"{len(raw)} bytes",
                           instead="tell where to go on, such as a page or a row, and keep what was made as an artifact")
        care.beat(raw)

    def _performed(self) -> Performed:
        if self.performed is None:
            raise Invalid("this attempt is not being performed", who=f"step {self.step!r}", instead="take what current() gives in the step")
        return self.performed


_details = Shape(Any, "heartbeat details")

HEARTBEAT_BYTES_MAX = 16 * 1024
"""They are recorded over and over, whenever they change."""


class Care(Protocol):
    """What a step with a heartbeat tells, and was told."""

    before: Raw | None
    listens: bool

    def beat(self, details: Raw) -> None: ...


class Performed(Protocol):
    """What performs a step says of itself; an Attempt is made from it only for who asks."""

    stream: str
    id: str
    attempt: int
    call: StepCall[Any]
    artifacts: list[Artifact] | None

    @property
    def care(self) -> Care | None: ...


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
    return attempt_of(performed)


def attempt_of(performed: Performed) -> Attempt:
    """What the performed step, and what is around it, may know of it."""
    call = performed.call
    return Attempt(performed.stream, call.step.name, performed.id, performed.attempt, call.keys, performed)


class Step(Uncalled, Generic[P, R]):
    """A function made a step. Called in a workflow it is an effect; anywhere else it is the function itself."""

    def __init__(self, function: Callable[P, Awaitable[R] | R], name: str, rules: Rules) -> None:
        functools.update_wrapper(self, function)
        self.function: Callable[..., Any] = function
        self.name = name
        self.rules = rules
        self.retry = rules.retry
        self.timeout = rules.timeout
        self.raises = rules.raises
        self.overall = 0 if rules.overall is None else microseconds(rules.overall)
        """Microseconds; 0 where there is no limit."""
        self.is_transactional = rules.transactional
        has_limits = rules.timeout is not None or rules.heartbeat_timeout is not None or rules.limit is not None
        self.is_limited = has_limits and not rules.transactional
        """Whether a running attempt may be cancelled because it takes too long, or has a slot to give back; never a transaction."""
        self.is_special = rules.are_special
        """Whether an attempt needs more than to be run; what does not is spared all of that."""
        self.is_async = inspect.iscoroutinefunction(function)
        rules.check_transactional(f"step {name!r}", is_async=self.is_async)
        rules.check_executor(f"step {name!r}", function, is_async=self.is_async)
        if rules.limit is not None:
            rules.limit.check_key(f"step {name!r}", function)
        self.arguments = Arguments(function, f"step {name!r}", given_first=rules.transactional)
        self.is_plain = self.is_async and self.arguments.plain
        """Whether calling the function with the received arguments gives the coroutine to perform."""
        self.returns = Shape(hints_of(function, f"step {name!r}").get("return", Any), f"step {name!r}, return value")

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        driver = DRIVER.get()
        if driver is None:
            if self.is_transactional:
                raise outside_transaction(self.name)
            return self._outside(*args, **kwargs)
        raw, arguments = self.arguments.pair(args, kwargs)
        return StepCall(self, raw, arguments, driver)  # pyright: ignore[reportReturnType] # awaited like the coroutine it stands for

    def _outside(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        made = self.function(*args, **kwargs) if self.is_async else _call_sync(self.function, *args, **kwargs)
        return cast("Coroutine[object, object, R]", made)


async def _call_sync(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def outside_transaction(name: str) -> Invalid:
    return Invalid(
        "a transactional step was called outside a workflow",
        who=f"step {name!r}",
        expected="an await in the code of an @workflow function",
        found="no workflow, and so no transaction",
        instead=f"in a test call {name}.function(db, …) with a connection of your own",
    )


class _Decorator:
    """`step(...)` with options: keeps the signature of what it decorates, async or not."""

    def __init__(self, options: StepOptions) -> None:
        self._options = options

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Step[..., Any]:
        name = name_for(function, self._options)
        return Step(function, name, Rules.of(f"step {name!r}", self._options))


def name_for(function: object, options: StepOptions) -> str:
    """What a step is called; Invalid where it is none."""
    name = options.get("name") or name_of(function)
    if isinstance(function, type | Uncalled):
        what = f"the class {name}" if isinstance(function, type) else repr(function)
        raise Invalid("only a function can be a step", who=f"step {name!r}", expected="def or async def", found=what,
                      instead="write a function around it; a workflow is awaited by perdure.child(…)")
    return name


class _TransactionalDecorator:
    """`step(transactional=True, ...)`: who calls the step gives all arguments but the connection."""

    def __init__(self, options: StepOptions) -> None:
        self._options = options

    def __call__(self, function: Callable[Concatenate[Connection, P], R], /) -> Step[P, R]:
        name = name_for(function, self._options)
        return Step(cast("Callable[P, R]", function), name, Rules.of(f"step {name!r}", self._options, transactional=True))


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(*, transactional: Literal[True], **options: Unpack[StepOptions]) -> _TransactionalDecorator: ...
@overload
def step(*, transactional: Literal[False] = False, **options: Unpack[StepOptions]) -> _Decorator: ...
def step(function: Callable[..., Any] | None = None, /, *, transactional: bool = False, **options: Unpack[StepOptions]) -> Any:
    """Make a function a step of workflows: attempts are at least once, the outcome is recorded once.

    `name` is what the log calls the step, the function's name by default. A plain function runs in a worker thread.
    Exceptions named in `raises` reach the workflow as themselves, all others as StepError. Without `retry` a failure is final.
    `timeout` bounds one attempt (a plain function cannot be stopped: its slot stays taken until it returns), `start_within` the
    wait of an attempt until it begins, `overall` all attempts and pauses together. With `at_most_once` an attempt that began is
    never begun again: if its owner is lost, the code sees Interrupted. With `heartbeat_timeout` an attempt that is silent for
    longer is cancelled and has failed: see `current().heartbeat()`. `executor="process"` runs a plain function in a process of
    its own, which is killed when the attempt is cancelled. `limit` bounds attempts over all runs: see `Limit`. `needs` names the
    resources that it takes by `current().resource(…)`, so that a runtime without them is refused when it opens. `queue` has the
    step performed by the workers of that task queue, where the log has queues; on any other log nothing is different.

    With `transactional` a plain function is called with the connection of the embedded log before its other arguments, in the
    transaction that keeps its outcome: its rows and its outcome are there both or neither, and it takes effect exactly once.
    It must have a `timeout`, because the log waits for it. Only on a SQLite log; any other runtime is Refused when it opens.
    """
    decorate = _TransactionalDecorator(options) if transactional else _Decorator(options)
    return decorate if function is None else decorate(function)
