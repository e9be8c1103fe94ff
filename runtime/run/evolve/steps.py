"""Steps: wanted, attempted, ended, or no longer wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..state import Line, OpenStep, Outcome, RunState, json_of, key_of
from .arriving import arrive, copied


def _scheduled(state: RunState, event: ev.StepScheduled, at: int) -> None:
    state.steps[event.id] = OpenStep(event.name)
    state.script.append(Line(state.delivered, "step", event.id, event.name, key_of(event.args.copy())))


def _completed(state: RunState, event: ev.StepCompleted, at: int) -> None:
    if state.steps.pop(event.id, None) is not None:
        state.retries.pop(event.id, None)
        arrive(state, Outcome(at, event.id, event.value.copy(), None, event.attempt))
    else:
        state.abandoned.pop(event.id, None)


def _failed(state: RunState, event: ev.StepFailed, at: int) -> None:
    step = state.steps.get(event.id)
    if step is None:
        state.abandoned.pop(event.id, None)
    elif event.retry_at is not None:
        step.attempt, state.retries[event.id] = event.attempt + 1, event.retry_at
    else:
        del state.steps[event.id]
        state.retries.pop(event.id, None)
        arrive(state, Outcome(at, event.id, error=copied(event.error), attempt=event.attempt))


def _abandoned(state: RunState, event: ev.EffectsAbandoned, at: int) -> None:
    for id in event.ids:
        step = state.steps.pop(id, None)
        if step is None:
            state.timers.pop(id, None)
        elif state.retries.pop(id, None) is None:
            state.abandoned[id] = step
    state.script.append(Line(state.delivered, "abandon", "", "", json_of(event.ids)))


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.StepScheduled: _scheduled,
    ev.StepCompleted: _completed,
    ev.StepFailed: _failed,
    ev.EffectsAbandoned: _abandoned,
}
