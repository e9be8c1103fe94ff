"""What a run waits for besides steps: timers, the wish that it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..state import CancelAsked, Fired, Line, RunState, json_of
from .arriving import arrive, remember


def _timer_set(state: RunState, event: ev.TimerSet, at: int) -> None:
    state.timers[event.id] = event.due
    state.script.append(Line(state.delivered, "timer", event.id, "", json_of(event.due)))


def _timer_fired(state: RunState, event: ev.TimerFired, at: int) -> None:
    if state.timers.pop(event.id, None) is not None:
        arrive(state, Fired(at, event.id))


def _cancel_requested(state: RunState, event: ev.CancelRequested, at: int) -> None:
    remember(state, event.command)
    state.cancelling, state.reason = state.length, event.reason
    arrive(state, CancelAsked(at))


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.TimerSet: _timer_set,
    ev.TimerFired: _timer_fired,
    ev.CancelRequested: _cancel_requested,
}
