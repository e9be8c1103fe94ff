"""The resources of a runtime: entered in order when it opens, left in reverse order when its steps have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, cast

from ..eventlog.errors import Invalid, PerdureError, Refused, Unavailable
from ..eventlog.transactions import Transactions
from .authoring.limits import agree
from .authoring.resources import missing, shown
from .authoring.rules import without_transactions
from .authoring.steps import Step
from .authoring.workflows import Workflow

Resources = Mapping[Any, Any]
"""By type or name: the thing itself, or a function without arguments that gives a context manager, async or not."""


@asynccontextmanager
async def entered(resources: Resources) -> AsyncGenerator[Mapping[Any, Any]]:
    """The resources, open until the end of the block. One that fails closes those before it, and the error says which it was."""
    async with AsyncExitStack() as stack:
        values: dict[Any, Any] = {}
        for key, given in resources.items():
            try:
                values[key] = await _open(key, given, stack)
            except PerdureError:
                raise
            except Exception as error:
                raise Unavailable("a resource could not be opened", who=f"resource {shown(key)}", where="perdure.open", found=repr(error),
                                  instead="mend what it needs, and open again; the resources before it are closed") from error
        yield values


async def _open(key: Any, given: Any, stack: AsyncExitStack) -> Any:
    is_made = _is_a(given, key) if isinstance(key, type) else not callable(given)
    if is_made:
        return given
    manager: Any = given() if callable(given) else given
    if isinstance(manager, AbstractAsyncContextManager):
        value = await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", manager))
    elif isinstance(manager, AbstractContextManager):
        value = stack.enter_context(cast("AbstractContextManager[Any]", manager))
    else:
        raise _unfit(key, "a value of that type, or a function without arguments that gives a context manager", manager)
    if isinstance(key, type) and not _is_a(value, key):
        raise _unfit(key, f"a context manager that gives a {shown(key)}", value)
    return value


def _is_a(value: object, key: type) -> bool:
    try:
        return isinstance(value, key)
    except TypeError:  # a protocol that cannot be asked at run time
        return not callable(value)


def _unfit(key: Any, expected: str, found: Any) -> Invalid:
    instead = "decorate the function with contextlib.asynccontextmanager; what is itself a function goes into contextlib.nullcontext"
    return Invalid("a resource does not fit", who=f"resource {shown(key)}", where="resources", expected=expected,
                   found=f"{type(found).__qualname__}: {found!r}"[:200], instead=instead)


def checked(resources: Resources, workflows: Iterable[Workflow[..., Any]], *, queued: bool = False) -> Resources:
    """The resources; Invalid where a step, known by a name to the module of a workflow, says that it needs another one.

    Where steps are left to task queues (`queued`), what those need is not needed here. Invalid, too, where two such steps bound one
    limit differently.
    """
    steps = [step for workflow in workflows for step in steps_near(workflow.function)]
    sufficient(resources, [step for step in steps if step.rules.queue is None or not queued])
    agree((step.name, step.rules.limit) for step in steps if step.rules.limit is not None)
    return resources


def sufficient(resources: Resources, steps: Iterable[Step[..., Any]]) -> Resources:
    """The resources; Invalid where one of the steps needs another one."""
    for key in resources:
        if not isinstance(key, type | str):
            raise Invalid("a resource is known by its type or by a name", who="perdure.open", where="resources",
                          expected="a class or a str", found=repr(key),
                          instead="write resources={Pool: open_pool} or resources={'pool': open_pool}")
    for step in steps:
        for key in step.rules.needs:
            if key not in resources:
                raise missing(key, f"step {step.name!r}", resources)
    return resources


def steps_near(function: Callable[..., Any]) -> list[Step[..., Any]]:
    space: dict[str, Any] = getattr(function, "__globals__", {})
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell)]
    return [each for each in (*space.values(), *cells) if isinstance(each, Step)]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell says so by raising
    except ValueError:
        return False
    return True


def check_transactional(transactions: Transactions | None, workflows: Iterable[Workflow[..., Any]]) -> None:
    """Refused where a step, known by a name to the module of a workflow, is transactional and the carrier has no transactions."""
    if transactions is not None:
        return
    for workflow in workflows:
        for step in steps_near(workflow.function):
            if step.is_transactional:
                raise Refused(**without_transactions(step.name))
