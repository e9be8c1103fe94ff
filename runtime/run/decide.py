"""May it be? The events that a command leads to, given the facts. Pure: retry arithmetic included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...eventlog.codec import Event
from ...eventlog.errors import NotFound, Refused
from ..authoring.retry import pause_after
from . import commands as cmd
from . import events as ev
from .state import RunState

SIGNALS_MAX = 10_000
SHOWN_MAX = 80

NONE: Sequence[Event] = ()


def decide(state: RunState, command: cmd.Command, now: int) -> Sequence[Event]:
    """The events that grant the command; Refused where it is illegal now, NotFound where there is no such run."""
    return DECIDE[type(command)](state, command, now)


def _start(state: RunState, command: cmd.Start, now: int) -> Sequence[Event]:
    if state.phase == "new":
        return [ev.RunStarted(command.workflow, command.version, command.input, command.seed, command.command)]
    if (state.workflow, bytes(state.input)) != (command.workflow, bytes(command.input)):
        raise Refused(
            "the id belongs to another run",
            who=f"run of workflow {state.workflow!r}",
            where="start",
            expected=f"the input it was started with: {_shown(state.input)}",
            found=f"workflow {command.workflow!r} with {_shown(command.input)}",
            instead="choose another id, or start with the same input to get that run",
        )
    return NONE


def _shown(value: Any) -> str:
    text = bytes(value).decode(errors="replace")
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."


def _step_completed(state: RunState, command: ev.StepCompleted, now: int) -> Sequence[Event]:
    step = state.steps.get(command.id) or state.abandoned.get(command.id)
    return NONE if step is None or step.attempt != command.attempt else (command,)


def _step_broke(state: RunState, command: cmd.StepBroke, now: int) -> Sequence[Event]:
    wanted = state.steps.get(command.id)
    step = wanted or state.abandoned.get(command.id)
    if step is None or step.attempt != command.attempt:
        return NONE
    again = command.retry if wanted is not None else None
    pause = None if again is None else pause_after(again, command.attempt, state.seed, command.id)
    retry_at = None if pause is None else now + pause
    return (ev.StepFailed(command.id, command.attempt, command.error, command.started, command.ended, command.worker, retry_at),)


def _wake(state: RunState, command: cmd.Wake, now: int) -> Sequence[Event]:
    due = sorted((due, id) for id, due in state.timers.items() if due <= now)
    return [ev.TimerFired(id, due) for due, id in due]


def _signal(state: RunState, command: cmd.Signal, now: int) -> Sequence[Event]:
    if command.command in state.commands:
        return NONE
    _must_live(state, "signal")
    if len(state.arrivals) >= SIGNALS_MAX and sum(type(arrival).__name__ == "Signalled" for arrival in state.arrivals) >= SIGNALS_MAX:
        raise Refused("the run has been sent too many signals", who=f"run of workflow {state.workflow!r}", where=f"signal {command.name!r}",
                      expected=f"at most {SIGNALS_MAX}", found="one more", instead="start a new run for new work")
    return [ev.SignalReceived(command.name, command.value, command.command)]


def _cancel(state: RunState, command: cmd.Cancel, now: int) -> Sequence[Event]:
    if command.command in state.commands or state.cancelling:
        return NONE
    _must_live(state, "cancel")
    return [ev.CancelRequested(command.reason, command.command)]


def _terminate(state: RunState, command: cmd.Terminate, now: int) -> Sequence[Event]:
    if command.command in state.commands:
        return NONE
    _must_live(state, "terminate")
    return [ev.RunTerminated(command.reason, command.command)]


def _look(state: RunState, command: cmd.Look, now: int) -> Sequence[Event]:
    _must_exist(state)
    return NONE


def _must_exist(state: RunState) -> None:
    if state.phase == "new":
        raise NotFound("there is no such run", where="run id", expected="the id of a run that was started", found="an id without events",
                       instead="list the runs with 'perdure runs', or start it first")


def _must_live(state: RunState, wish: str) -> None:
    _must_exist(state)
    if state.ended:
        raise Refused(f"the run has ended, so it cannot be told to {wish}", who=f"run of workflow {state.workflow!r}", where=wish,
                      expected="a run that is running or suspended", found=f"it is {state.phase}", instead="start a new run")


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Start: _start,
    ev.StepCompleted: _step_completed,
    cmd.StepBroke: _step_broke,
    cmd.Wake: _wake,
    cmd.Signal: _signal,
    cmd.Cancel: _cancel,
    cmd.Terminate: _terminate,
    cmd.Look: _look,
}
