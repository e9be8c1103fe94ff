"""Children: runs of other workflows that a workflow starts and awaits; and the end of any run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, ParamSpec, TypeAlias, TypeVar, TypeVarTuple, cast, get_args, overload

from msgspec import Raw

from ...eventlog.errors import Invalid
from ...eventlog.streams import STREAM_BYTES_MAX, escape
from .effects import Attach, ChildCall, ChildResult
from .given import must_be_text
from .sending import cancel_run, signal_run
from .values import Shape, kept_shape
from .workflows import Workflow

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

OnParentEnd: TypeAlias = Literal["cancel", "abandon", "terminate"]

ID_BYTES_MAX = STREAM_BYTES_MAX - len("run/d/")

_shapes: dict[Any, Shape] = {}


class ChildHandle(Generic[R]):
    """A child that was started and goes on beside the code. Its end is the parent's to know, whether it is awaited or not."""

    def __init__(self, id: str, effect: str) -> None:
        self.id = id
        self._effect = effect

    def __repr__(self) -> str:
        return f"<child {self.id}>"

    def result(self) -> Coroutine[object, object, R]:
        """Wait for what it returns; ChildError where it ends otherwise. May be asked more than once."""
        return cast("Coroutine[object, object, R]", ChildResult(self._effect))

    def signal(self, name: str, value: Any = None) -> Coroutine[object, object, None]:
        """Send it a signal; Refused where it has ended."""
        return signal_run(self.id, name, value)

    def cancel(self, reason: str = "") -> Coroutine[object, object, None]:
        """Ask it to end, its cleanup done: `result` then raises ChildError. Refused where it has ended already."""
        return cancel_run(self.id, reason)


@overload
def child(
    workflow: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts, id: str | None = None, on_parent_end: OnParentEnd = "cancel"
) -> Coroutine[object, object, R]: ...
@overload
def child(workflow: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]: ...
def child(  # type: ignore[misc]  # mypy cannot see that any arguments are some *Ts; tests/typing holds both ways to call
    workflow: Any, /, *args: Any, id: str | None = None, on_parent_end: OnParentEnd = "cancel", **kwargs: Any
) -> Coroutine[object, object, Any]:
    """Run another workflow as a child and wait for its result; ChildError where it ends otherwise.

    Its id is `<parent id>/<effect id>` unless `id` says another. Where it is no longer wanted (a race was lost, a scope or the parent
    cancelled, the parent has ended) it is cancelled or terminated, or goes on alone, as `on_parent_end` says.
    Beside `id` or `on_parent_end` its own arguments go by position.
    """
    return cast("Coroutine[object, object, Any]", _call("child", workflow, (args, kwargs), id, on_parent_end))


@overload
def start_child(
    workflow: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts, id: str | None = None, on_parent_end: OnParentEnd = "cancel"
) -> Coroutine[object, object, ChildHandle[R]]: ...
@overload
def start_child(
    workflow: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[object, object, ChildHandle[R]]: ...
def start_child(  # type: ignore[misc]  # as above
    workflow: Any, /, *args: Any, id: str | None = None, on_parent_end: OnParentEnd = "cancel", **kwargs: Any
) -> Coroutine[object, object, Any]:
    """As `child`, but go on, with a handle, as soon as the start is durable.

    The child then belongs to the run, not to the branch that started it: it is left when the run ends.
    """
    return cast("Coroutine[object, object, Any]", _call("start_child", workflow, (args, kwargs), id, on_parent_end))


@overload
def attach(run: str) -> Coroutine[object, object, Any]: ...
@overload
def attach(run: str, type: type[T]) -> Coroutine[object, object, T]: ...
def attach(run: str, type: Any = Any) -> Coroutine[object, object, Any]:  # noqa: A002 - the word an author expects
    """Wait for the end of any run of the same tenant: its result, decoded to `type`, or ChildError.

    The run itself goes on untouched, however the wait ends.
    """
    return cast("Coroutine[object, object, Any]", Attach(_checked("attach", run), kept_shape(_shapes, type, "attach, result")))


def _call(word: str, workflow: Any, call: tuple[tuple[Any, ...], dict[str, Any]], id: str | None, on_parent_end: str) -> ChildCall[Any]:
    if not isinstance(workflow, Workflow):
        raise Invalid(
            "only a workflow can be a child",
            who=f"{word}({workflow!r})",
            expected="a function decorated with @workflow",
            found=type(workflow).__name__,
            instead="decorate it, or await it as what it is",
        )
    if on_parent_end not in get_args(OnParentEnd):
        raise Invalid(
            "no such way to part",
            who=word,
            where="on_parent_end",
            expected=", ".join(get_args(OnParentEnd)),
            found=repr(on_parent_end),
            instead="leave it out to have the child cancelled",
        )
    known = cast("Workflow[..., Any]", workflow)
    raw: Raw = known.arguments.pair(*call)[0]
    return ChildCall(known, raw, "" if id is None else _checked(word, id), on_parent_end, detached=word == "start_child")


def _checked(word: str, id: str) -> str:
    must_be_text(id, word, "id", "order-17", empty=True)
    if not id or len(escape(id)) > ID_BYTES_MAX:
        raise Invalid(
            "an id does not fit a stream name",
            who=word,
            where="id",
            expected=f"1 to {ID_BYTES_MAX} bytes after escaping",
            found=f"{len(escape(id))} bytes",
            instead="choose a shorter id, for example a digest of the long one",
        )
    return id
