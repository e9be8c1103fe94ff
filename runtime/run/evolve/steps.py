"""Steps: wanted, attempted, ended, or no longer wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..state import NOBODY, Line, OpenStep, Outcome, RunState, json_of, key_of
from .arriving import arrive, copied, remember
from .artifacts import keep
from .children import leave


def opened(state: RunState, id: str, name: str) -> None:
    """The code wants it. In a run that was taken back its attempts count on, so that no outcome from before is taken for one of now."""
    state.steps[id] = OpenStep(name, state.tried.get(id, 0) + 1) if state.retried else OpenStep(name)


def scheduled(state: RunState, event: ev.StepScheduled, at: int) -> None:
    opened(state, event.id, event.name)
    if event.due:
        state.step_deadlines[event.id] = event.due
    state.script.append(Line(state.delivered, "step", event.id, event.name, key_of(event.args.copy(), event.blob)))


def _begun(state: RunState, event: ev.StepStarted, at: int) -> None:
    state.steps[event.id].begun = (event.started, event.worker)


def _heard(state: RunState, event: ev.StepHeartbeat, at: int) -> None:
    state.steps[event.id].heartbeat = event.details.copy()


def _deferred(state: RunState, event: ev.StepDeferred, at: int) -> None:
    if event.id in state.steps:
        state.retries.pop(event.id, None)
        state.deferred[event.id] = at
    else:
        _forget(state, event.id)


def _forget(state: RunState, id: str) -> None:
    """Nothing is awaited any more of a step that the code does not want."""
    step = state.abandoned.pop(id, None)
    if step is not None:
        state.tried[id] = step.attempt


def _close(state: RunState, id: str) -> OpenStep | None:
    """The step is open no longer."""
    state.retries.pop(id, None)
    state.step_deadlines.pop(id, None)
    state.deferred.pop(id, None)
    return state.steps.pop(id, None)


def completed(state: RunState, event: ev.StepCompleted, at: int) -> None:
    if state.steps.pop(event.id, None) is not None:
        state.retries.pop(event.id, None)
        if state.step_deadlines:
            state.step_deadlines.pop(event.id, None)
        if state.deferred:
            state.deferred.pop(event.id, None)
        if event.command:
            remember(state, event.command)
        if event.artifacts:
            keep(state, event.artifacts)
        arrive(state, Outcome(at, event.id, event.value.copy(), None, event.attempt, event.blob, event.artifacts))
    else:
        _forget(state, event.id)


def _failed(state: RunState, event: ev.StepFailed, at: int) -> None:
    step = state.steps.get(event.id)
    if step is None:
        _forget(state, event.id)
    elif event.retry_at is not None:
        step.attempt, step.begun, state.retries[event.id] = event.attempt + 1, None, event.retry_at
    else:
        _close(state, event.id)
        remember(state, event.command)
        arrive(state, Outcome(at, event.id, error=copied(event.error), attempt=event.attempt, given=event.worker == NOBODY))


def _skipped(state: RunState, event: ev.StepSkipped, at: int) -> None:
    step = _close(state, event.id)
    remember(state, event.command)
    if step is not None:
        arrive(state, Outcome(at, event.id, event.value.copy(), None, step.attempt, event.blob, given=True))


def _abandoned(state: RunState, event: ev.EffectsAbandoned, at: int) -> None:
    for id in event.ids:
        flies = id not in state.retries and id not in state.deferred
        step = _close(state, id)
        if step is None:
            state.timers.pop(id, None)
            if (asked := state.approvals.pop(id, None)) is not None:
                state.withdrawn[id] = asked
            else:
                leave(state, id)
        elif flies:
            state.abandoned[id] = step
        else:
            state.tried[id] = step.attempt
    state.script.append(Line(state.delivered, "abandon", "", "", json_of(event.ids)))


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.StepScheduled: scheduled,
    ev.StepStarted: _begun,
    ev.StepHeartbeat: _heard,
    ev.StepDeferred: _deferred,
    ev.StepSkipped: _skipped,
    ev.StepCompleted: completed,
    ev.StepFailed: _failed,
    ev.EffectsAbandoned: _abandoned,
}
