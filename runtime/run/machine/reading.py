"""Reading: code of the workflow that may look at what the run has kept, and must change nothing: predicates, validators, queries."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ....eventlog.errors import Invalid
from .foreign import line_of_function

if TYPE_CHECKING:
    from .driver import Machine


def read(machine: Machine, what: str, context: Context, function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns; words of an author that would change the run are refused meanwhile."""
    machine.reading = what
    try:
        found = context.run(function, *args)
    finally:
        machine.reading = ""
    if inspect.isawaitable(found):
        if inspect.iscoroutine(found):
            found.close()
        raise Invalid(
            f"{what} cannot await",
            who=what,
            where=line_of_function(function),
            expected="a plain function that answers at once",
            found="one that gives an awaitable",
            instead="await in the workflow's own code, keep what came in a variable and look at that",
        )
    return found
