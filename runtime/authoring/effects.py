"""Effects: what a workflow can await. Each is plain data that its `await` hands to the driver, which knows what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar

from msgspec import Raw, UnsetType

from ...eventlog.blobs import Blob
from ...eventlog.errors import Invalid
from .driving import DRIVER, Driver

if TYPE_CHECKING:
    from .steps import Step
    from .values import Shape
    from .workflows import Workflow

T = TypeVar("T")

CLOSING = "the run leaves memory: its cleanup runs when it really ends"
CLOSING_REFUSALS = 32


class Effect(Generic[T]):
    """An awaitable of a workflow."""

    __slots__ = ("__weakref__",)

    def __await__(self) -> Generator[Any, Any, T]:
        driver = DRIVER.get()
        if driver is None:
            raise Invalid(
                f"{self!r} was awaited outside a workflow",
                who=repr(self),
                expected="an await in the code of an @workflow function",
                found="no workflow is being driven here",
                instead="in a step or in plain code use anyio",
            )
        if driver.closing:
            raise GeneratorExit(CLOSING)
        answer: T = yield self
        return answer


class Wanted(Protocol):
    """What an attempt may know of the facts of its step."""

    heartbeat: Raw | UnsetType


class StepCall(Effect[T]):
    """One call of a step: its arguments as recorded, and as the step receives them."""

    __slots__ = ("arguments", "driver", "facts", "keys", "outcome", "raw", "step")

    def __init__(self, step: Step[..., T], raw: Raw, arguments: tuple[Any, ...], driver: Driver) -> None:
        self.step = step
        self.raw = raw
        self.arguments = arguments
        self.driver = driver
        self.facts: Wanted | None = None
        """What is recorded of the step, once that is durable."""
        self.keys = 0
        """How often fresh idempotency keys were asked for before the attempt."""
        self.outcome: tuple[Raw | Blob, Any] | None = None
        """The value as its attempt encoded and decoded it: spares decoding those very bytes again when they arrive."""

    def __await__(self) -> Generator[Any, Any, T]:
        if self.driver.closing:
            raise GeneratorExit(CLOSING)
        answer: T = yield self
        return answer

    def __repr__(self) -> str:
        return f"step {self.step.name!r}"

    # A step called outside a workflow is a coroutine; inside it offers the same face, and refuses to be driven by others.

    def send(self, value: Any) -> Any:
        raise Invalid(
            "a step of a workflow was driven by something else than its workflow",
            who=repr(self),
            instead="await it, or pass it to perdure.gather",
        )

    def throw(self, *error: Any) -> Any:
        return self.send(None)

    def close(self) -> None:
        """Nothing was begun, so there is nothing to end."""


class Sleep(Effect[None]):
    """Wait for a duration, or until a moment, in microseconds."""

    __slots__ = ("duration", "until")

    def __init__(self, duration: int | None, until: int | None = None) -> None:
        self.duration = duration
        self.until = until

    def __repr__(self) -> str:
        return "sleep"


class SignalWait(Effect[T]):
    """Wait for the next signal of a name."""

    __slots__ = ("name", "shape")

    def __init__(self, name: str, shape: Shape) -> None:
        self.name = name
        self.shape = shape

    def __repr__(self) -> str:
        return f"signal {self.name!r}"


class ContinueAs(Effect[NoReturn]):
    """End this generation of the run and begin the next with these arguments."""

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return "continue_as"


class ChildCall(Effect[T]):
    """A run of another workflow: its end is awaited, or, with `detached`, its start."""

    __slots__ = ("detached", "id", "on_parent_end", "raw", "workflow")

    def __init__(self, workflow: Workflow[..., Any], raw: Raw, id: str, on_parent_end: str, *, detached: bool) -> None:
        self.workflow = workflow
        self.raw = raw
        self.id = id
        """Empty: made from the parent's id and the effect's."""
        self.on_parent_end = on_parent_end
        self.detached = detached

    def __repr__(self) -> str:
        return f"child {self.workflow.name!r}"


class ChildResult(Effect[T]):
    """Wait for the end of a child that was started before."""

    __slots__ = ("effect",)

    def __init__(self, effect: str) -> None:
        self.effect = effect
        """The id of the effect that started it."""

    def __repr__(self) -> str:
        return "the result of a child"


class Attach(Effect[T]):
    """Wait for the end of any run."""

    __slots__ = ("run", "shape")

    def __init__(self, run: str, shape: Shape) -> None:
        self.run = run
        self.shape = shape

    def __repr__(self) -> str:
        return f"the end of run {self.run!r}"


class Together(Effect[T]):
    """Run several awaitables as branches side by side; `first` ends with the first of them."""

    __slots__ = ("first", "keep_errors", "work")

    def __init__(self, work: tuple[Awaitable[Any], ...], *, first: bool = False, keep_errors: bool = False) -> None:
        self.work = work
        self.first = first
        self.keep_errors = keep_errors

    def __repr__(self) -> str:
        return "first_of" if self.first else "gather"


class OpenGroup(Effect[Any]):
    """Begin a task group; answers with the driver's own handle of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "task_group"


class JoinGroup(Effect[None]):
    """Wait for every branch of a task group; `cancel` ends them first."""

    __slots__ = ("cancel", "group")

    def __init__(self, group: Any, *, cancel: bool) -> None:
        self.group = group
        self.cancel = cancel

    def __repr__(self) -> str:
        return "the end of a task_group"


class JoinTask(Effect[Any]):
    """Wait for one branch of a task group."""

    __slots__ = ("branch",)

    def __init__(self, branch: Any) -> None:
        self.branch = branch

    def __repr__(self) -> str:
        return "a task of a task_group"


class OpenScope(Effect[None]):
    """Begin a scope that is cancelled when its time is up; the scope learns so by `expired`."""

    __slots__ = ("duration", "scope")

    def __init__(self, scope: Any, duration: int) -> None:
        self.scope = scope
        self.duration = duration

    def __repr__(self) -> str:
        return "timeout"


class CloseScope(Effect[None]):
    """End a scope."""

    __slots__ = ("scope",)

    def __init__(self, scope: Any) -> None:
        self.scope = scope

    def __repr__(self) -> str:
        return "the end of a timeout"
