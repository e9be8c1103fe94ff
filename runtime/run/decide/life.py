"""The life of a run: may it begin, be cancelled, be ended?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Refused
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE, must_exist, must_live, shown


def start(state: RunState, command: cmd.Start, now: int) -> Sequence[Event]:
    if state.phase == "new":
        return [_began(command)]
    if command.command and command.command in state.commands:
        return NONE
    if state.ended:
        if command.reuse == "always" or (command.reuse == "after_failure" and state.phase != "completed"):
            return [_began(command)]
    elif command.on_conflict == "terminate_and_start":
        return [ev.RunTerminated("another run takes its place"), _began(command)]
    elif command.on_conflict == "refuse":
        raise Refused("the id belongs to a run that has not ended", who=f"run of workflow {state.workflow!r}", where="start",
                      expected="an id that is free", found=f"a run that is {state.phase}",
                      instead="choose another id, wait for its end, or start with on_conflict='existing'")
    if (state.workflow, bytes(state.input)) != (command.workflow, bytes(command.input)):
        raise Refused(
            "the id belongs to another run",
            who=f"run of workflow {state.workflow!r}",
            where="start",
            expected=f"the input it was started with: {shown(state.input)}",
            found=f"workflow {command.workflow!r} with {shown(command.input)}",
            instead="choose another id, or start with the same input to get that run",
        )
    return NONE


def _began(command: cmd.Start) -> Event:
    given = command.workflow, command.version, command.input, command.seed, command.command, command.deadline
    return ev.RunDelayed(*given, command.start_at) if command.start_at else ev.RunStarted(*given)


def _cancel(state: RunState, command: cmd.Cancel, now: int) -> Sequence[Event]:
    if command.command in state.commands or state.cancelling:
        return NONE
    must_live(state, "cancel")
    asked = ev.CancelRequested(command.reason, command.command)
    if state.phase == "delayed":
        return [asked, ev.RunCancelled(command.reason)]
    return [ev.Resumed(), asked] if state.phase == "paused" else [asked]


def _terminate(state: RunState, command: cmd.Terminate, now: int) -> Sequence[Event]:
    if command.command in state.commands:
        return NONE
    must_live(state, "terminate")
    return [ev.RunTerminated(command.reason, command.command)]


def _look(state: RunState, command: cmd.Look, now: int) -> Sequence[Event]:
    must_exist(state)
    return NONE


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Start: start,
    cmd.Cancel: _cancel,
    cmd.Terminate: _terminate,
    cmd.Look: _look,
}
