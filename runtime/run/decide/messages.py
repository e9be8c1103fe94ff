"""Messages to the code of a run. What only its code can say of them, `admitting` has asked before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Refused
from .. import commands as cmd
from .. import events as ev
from ..repeats import short
from ..state import RunState
from .asking import NONE, must_exist, must_live, repeated
from .beginning import must_be_ones_own, start

UPDATES_MAX = 1_000
"""Updates that are accepted and not answered."""


def _signal(state: RunState, command: cmd.Signal, now: int) -> Sequence[Event]:
    if repeated(state, command.command):
        return NONE
    must_live(state, "signal")
    return [ev.SignalReceived(command.name, command.value, command.command, command.blob)]


def _signal_or_start(state: RunState, command: cmd.SignalOrStart, now: int) -> Sequence[Event]:
    must_be_ones_own(state, command.start)
    if repeated(state, command.command):
        return NONE
    if state.phase == "new" or state.ended:
        if begun := start(state, command.start, now):
            # the command is named by the start: it counts once
            return [*begun, ev.SignalReceived(command.name, command.value, blob=command.blob)]
        must_live(state, "signal")  # the id is that of a run that has ended, and is not to be used again
    if state.workflow != command.start.workflow:
        raise Refused("the id belongs to a run of another workflow", who=f"run of workflow {state.workflow!r}", where="signal_or_start",
                      expected=f"workflow {command.start.workflow!r}", found=state.workflow, instead="choose another id")
    return [ev.SignalReceived(command.name, command.value, command.command, command.blob)]


def _update(state: RunState, command: cmd.Update, now: int) -> Sequence[Event]:
    known, who = state.updates.get(command.command), f"run of workflow {state.workflow!r}"
    if known is not None and (known.done or not state.ended):
        return NONE
    if known is not None:
        raise Refused("the run ended before it had answered the update", who=who, where=f"update {command.name!r}",
                      expected="an answer before the end", found=f"it is {state.phase}", instead="look at the run's own result")
    if repeated(state, command.command):
        raise Refused("the answer to this command is no longer kept", who=who, where=f"update {command.name!r}",
                      expected="a repeat soon after the first", found=f"command {command.command!r}, applied at version "
                      f"{state.commands[short(command.command)]}", instead="ask the run with a query, or look at its events")
    must_live(state, "update")
    if state.open_updates >= UPDATES_MAX:
        raise Refused("too many updates wait for their answer", who=who, where=f"update {command.name!r}",
                      expected=f"at most {UPDATES_MAX}", found=str(state.open_updates), instead="try again once some are answered")
    return [ev.UpdateAccepted(command.name, command.args, command.command, command.blob)]


def _query(state: RunState, command: cmd.Query, now: int) -> Sequence[Event]:
    must_exist(state)
    return NONE


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Signal: _signal,
    cmd.SignalOrStart: _signal_or_start,
    cmd.Update: _update,
    cmd.Query: _query,
}
