"""Steps: what becomes of an attempt that ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UnsetType

from ....eventlog.codec import Event
from ...authoring.errors import INTERRUPTED, Failure
from ...authoring.retry import pause_after
from .. import commands as cmd
from .. import events as ev
from ..state import NEVER, NOBODY, RunState
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
    attempt = command.attempt - state.tried.get(command.id, 0)  # those before a person's retry do not count
    pause = None if again is None or not again.covers(command.kinds) else pause_after(again, attempt, state.seed, command.id)
    retry_at = None if pause is None else now + pause
    if retry_at is not None and state.step_deadlines and retry_at >= state.step_deadlines.get(command.id, NEVER):
        retry_at = None
    failed = ev.StepFailed(command.id, command.attempt, command.error, command.started, command.ended, command.worker, retry_at)
    if retry_at is None or isinstance(command.heartbeat, UnsetType):
        return (failed,)
    return (ev.StepHeartbeat(command.id, command.attempt, command.heartbeat), failed)


def _step_heartbeat(state: RunState, command: ev.StepHeartbeat, now: int) -> Sequence[Event]:
    step = state.steps.get(command.id)
    return NONE if step is None or step.attempt != command.attempt or state.ended else (command,)


def _step_deferred(state: RunState, command: ev.StepDeferred, now: int) -> Sequence[Event]:
    step = state.steps.get(command.id) or state.abandoned.get(command.id)
    return NONE if step is None or step.attempt != command.attempt or command.id in state.deferred else (command,)


def _begin(state: RunState, command: cmd.Begin, now: int) -> Sequence[Event]:
    """An attempt is begun once: whoever comes with another beginning finds it interrupted.

    That is a fact about the world, recorded though the run stands still; a beginning is a wish, and must wait.
    """
    step, mine = state.steps.get(command.id), (command.started, command.worker)
    if state.ended or step is None or step.attempt != command.attempt or step.begun == mine:
        return NONE
    if step.begun is None:
        return (ev.StepStarted(command.id, command.attempt, command.started, command.worker),) if state.phase == "running" else NONE
    started, worker = step.begun
    failure = Failure(INTERRUPTED, "the attempt had begun when its owner was lost, so nobody knows whether it took effect")
    return (ev.StepFailed(command.id, command.attempt, failure, started, now, worker),)


def _look(state: RunState, command: cmd.LookAtAttempt, now: int) -> Sequence[Event]:
    return NONE


def overdue(state: RunState, id: str, now: int) -> Event:
    """How a step ends whose overall time is up."""
    failure = Failure("TimeoutError", "the step's overall time was up")
    return ev.StepFailed(id, state.steps[id].attempt, failure, now, now, NOBODY)


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    ev.StepCompleted: _step_completed,
    cmd.StepBroke: _step_broke,
    ev.StepHeartbeat: _step_heartbeat,
    ev.StepDeferred: _step_deferred,
    cmd.Begin: _begin,
    cmd.LookAtAttempt: _look,
}
