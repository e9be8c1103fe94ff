"""How the code of a run ends: it returns or fails, begins the next generation, or leaves memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....eventlog.codec import Event
from ....eventlog.errors import Invalid
from ...authoring.effects import CLOSING_REFUSALS, ContinueAs
from ...authoring.errors import ChildError, StepError, failure_of
from .. import events as ev
from ..performing import Trouble
from .branches import Branch
from .foreign import from_loop

if TYPE_CHECKING:
    from .driver import Machine


def ask_continue(machine: Machine, branch: Branch, effect: ContinueAs) -> None:
    """The code never goes on from here, unless what it asks for cannot be."""
    if machine.cancelling:
        _end(machine, branch, effect, ev.RunCancelled())
        return
    try:
        if branch is not machine.root or len(machine.alive) > 1:
            raise Invalid("continue_as was awaited while other branches run", who=f"run {machine.run!r}", where="continue_as",
                          expected="no branch but the workflow's own", found=f"branch {branch.path!r}, {len(machine.alive)} at work",
                          instead="await it after the end of every gather and task_group")
        left = sorted(unread.place for many in machine.inbox.values() for unread in many)
        if machine.fed <= machine.carried and len(left) >= machine.carried:
            raise Invalid("continue_as was awaited before anything was waited for", who=f"run {machine.run!r}", where="continue_as",
                          expected="a generation that awaits a step, a sleep or a signal", found="one that would follow the other for ever",
                          instead="await a step, a sleep or a signal before it")
        raw, _ = machine.workflow.arguments.pair(effect.args, effect.kwargs)
        raw, blob = machine.keep(raw, "continue_as, arguments")
    except Invalid as unfit:
        machine.resume(branch, None, unfit)
        return
    _end(machine, branch, effect, ev.Continued(raw, machine.workflow.version, machine.fed, blob=blob, left=left))


def _end(machine: Machine, branch: Branch, effect: ContinueAs, ending: Event) -> None:
    """What this generation abandoned in its last turn is told before its end: behind it, it would be said of the next one."""
    branch.waiting, machine.ending = effect, ending
    machine.tell_abandoned()
    machine.wishes.append(ending)


def ending_of(machine: Machine, value: Any, error: BaseException | None) -> Event:
    """What it means for the run that its code returned or raised."""
    if machine.cancelling:
        return ev.RunCancelled()
    error = machine.failed or error
    if error is not None:
        return _failed(machine, from_loop(error, machine.describe(), machine.home()))
    try:
        return ev.RunCompleted(*machine.keep(machine.workflow.returns.encode(value), f"workflow {machine.workflow.name!r}, result"))
    except Invalid as unfit:
        return _failed(machine, unfit)


def _failed(machine: Machine, error: BaseException) -> Event:
    """What broke in the code itself is told to people with its traceback, which no event could hold."""
    kind = _kind_of(error)
    if kind == "code" and machine.lines is not None:
        machine.lines.append(Trouble(machine.run, machine.workflow.name, "failed", error))
    return ev.RunFailed(kind, failure_of(error))


def _kind_of(error: BaseException) -> str:
    """A group of failures is the code's if any of them is."""
    if isinstance(error, BaseExceptionGroup):
        kinds = {_kind_of(one) for one in error.exceptions}  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType,reportUnknownMemberType]
        return "code" if "code" in kinds else min(kinds)
    return "step" if isinstance(error, StepError) else "child" if isinstance(error, ChildError) else "code"


def close(branch: Branch) -> None:
    """End a coroutine by hand; what it awaits in its cleanup is refused."""
    coroutine: Any = branch.coroutine
    for _ in range(CLOSING_REFUSALS):
        try:
            branch.context.run(coroutine.close)
        except RuntimeError:
            continue  # it awaits again in its cleanup: refused again
        except BaseException:  # noqa: S110 - the cleanup of code that leaves memory has nobody to tell
            pass
        return
