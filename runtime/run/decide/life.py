"""The life of a run: may it be cancelled, be ended, be looked at?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import NotFound
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE, SHOWN_MAX, must_exist, must_live, repeated


def cancel(state: RunState, command: cmd.Cancel, now: int) -> Sequence[Event]:
    """It ends a pause, and is recorded first: the code may end by what came meanwhile, and whoever cancels is answered all the same."""
    if repeated(state, command.command) or state.cancelling:
        return NONE
    must_live(state, "cancel")
    asked = ev.CancelRequested(command.reason, command.command)
    if state.phase == "delayed":
        return [asked, ev.RunCancelled(command.reason)]
    return [asked, ev.Resumed()] if state.phase == "paused" else [asked]


def terminate(state: RunState, command: cmd.Terminate, now: int) -> Sequence[Event]:
    if repeated(state, command.command):
        return NONE
    must_live(state, "terminate")
    return [ev.RunTerminated(command.reason, command.command)]


def _look(state: RunState, command: cmd.Look, now: int) -> Sequence[Event]:
    must_exist(state)
    if command.accepted and not repeated(state, command.accepted):
        raise NotFound("the run has accepted no such command", who=f"run of workflow {state.workflow!r}", where="accepted",
                       expected="the id of a command that it has accepted", found=repr(command.accepted[:SHOWN_MAX]),
                       instead="send the command, or correct its id")
    return NONE


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Cancel: cancel,
    cmd.Terminate: terminate,
    cmd.Look: _look,
}
