"""The shell around the driver: while workflow code runs, no event loop does.

asyncio is given a loop that refuses everything with an error that teaches, so that `asyncio.create_task` fails at
once instead of running an unrecorded effect at every replay; trio likewise. Both are put back right after.
"""

from __future__ import annotations

import inspect
import sys
from asyncio import _get_running_loop, _set_running_loop
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from ....eventlog.errors import Bug
from ...authoring.driving import DRIVER
from .foreign import line_of_code, refused, running_frames

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
    _refuse_call(f"asyncio: {name}()")


def _refuse_call(what: str) -> NoReturn:
    driver = DRIVER.get()
    if driver is None:
        raise Bug("something asked for the event loop while a workflow was driven", who="the driver", found=what, instead="report it")
    raise refused(driver.describe(), what, line_of_code(running_frames(inspect.currentframe()), driver.home()))


class RefusingTrio:
    """Stands where trio's own knowledge of the running task was: whatever is asked of it raises ForeignAwait."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse_call("trio")


REFUSING: Any = RefusingLoop()
NO_TRIO = {"runner": RefusingTrio(), "task": RefusingTrio()}


def outside_loop(function: Callable[..., T], *args: Any) -> T:
    """Call the function with no event loop running around it: neither asyncio's nor trio's, nor their care for async generators."""
    loop, hooks = _get_running_loop(), sys.get_asyncgen_hooks()
    trio = _leave_trio() if loop is None and "trio" in sys.modules else None
    _set_running_loop(REFUSING)
    sys.set_asyncgen_hooks(None, None)
    try:
        return function(*args)
    finally:
        sys.set_asyncgen_hooks(*hooks)
        _set_running_loop(loop)
        if trio is not None:
            _return_to_trio(trio)


def _leave_trio() -> dict[str, Any]:
    from trio._core._run import GLOBAL_RUN_CONTEXT

    kept = dict(vars(GLOBAL_RUN_CONTEXT))
    vars(GLOBAL_RUN_CONTEXT).clear()
    vars(GLOBAL_RUN_CONTEXT).update(NO_TRIO)
    return kept


def _return_to_trio(kept: dict[str, Any]) -> None:
    from trio._core._run import GLOBAL_RUN_CONTEXT

    vars(GLOBAL_RUN_CONTEXT).clear()
    vars(GLOBAL_RUN_CONTEXT).update(kept)
