"""Steps: what becomes of an attempt that ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ...authoring.retry import pause_after
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE


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


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    ev.StepCompleted: _step_completed,
    cmd.StepBroke: _step_broke,
}
