"""The shell around the driver: while workflow code runs, no event loop does.

asyncio is given a loop that refuses everything with an error that teaches, so that `asyncio.create_task` fails at
once instead of running an unrecorded effect at every replay; trio is told that no task runs. Both are put back right after.
"""

from __future__ import annotations

import sys
from asyncio import _get_running_loop, _set_running_loop
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from ..authoring.driving import DRIVER
from .foreign import refused

T = TypeVar("T")


class RefusingLoop:
    """Stands where the running loop was: whatever is asked of it raises ForeignAwait."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            _refuse(name, (*args, *kwargs.values()))

        return refuse

    def __hash__(self) -> int:
        return _refuse("current_task", ())


def _refuse(name: str, args: tuple[Any, ...]) -> NoReturn:
    for argument in args:
        if isinstance(argument, Coroutine):
            argument.close()
    driver = DRIVER.get()
    run = driver.describe() if driver is not None else {"workflow": "?", "run": "?"}
    raise refused(f"workflow {run['workflow']!r}, run {run['run']!r}", f"asyncio: {name}()")


REFUSING: Any = RefusingLoop()


def outside_loop(function: Callable[..., T], *args: Any) -> T:
    """Call the function with no event loop running around it."""
    loop = _get_running_loop()
    if loop is None and "trio" in sys.modules:
        return _outside_trio(function, *args)
    _set_running_loop(REFUSING)
    try:
        return function(*args)
    finally:
        _set_running_loop(loop)


def _outside_trio(function: Callable[..., T], *args: Any) -> T:
    from trio._core._run import GLOBAL_RUN_CONTEXT

    kept = dict(vars(GLOBAL_RUN_CONTEXT))
    vars(GLOBAL_RUN_CONTEXT).clear()
    _set_running_loop(REFUSING)
    try:
        return function(*args)
    finally:
        _set_running_loop(None)
        vars(GLOBAL_RUN_CONTEXT).update(kept)
