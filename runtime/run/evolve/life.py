"""The life of a run: its beginning, its phases and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Bug
from .. import events as ev
from ..state import AFTER, Held, RunState
from .arriving import copied, remember


def change_phase(state: RunState, event: Event) -> None:
    after = AFTER.get((state.phase, type(event)))
    if after is None:
        legal = ", ".join(kind.__name__ for phase, kind in AFTER if phase == state.phase)
        raise Bug("an illegal transition", who=f"run of {state.workflow or 'an unknown workflow'}", where=f"version {state.length}",
                  expected=legal or f"nothing: the run is {state.phase}", found=f"{type(event).__name__} while {state.phase}",
                  instead="report it with the log of this run")
    state.phase = after


def _started(state: RunState, event: ev.RunStarted, at: int) -> None:
    change_phase(state, event)
    state.workflow, state.version, state.input, state.seed = event.workflow, event.version, event.input.copy(), event.seed
    state.started_at = at
    remember(state, event.command)


def _recovered(state: RunState, event: ev.Recovered, at: int) -> None:
    state.recoveries += 1


def _suspended(state: RunState, event: ev.Suspended, at: int) -> None:
    change_phase(state, event)
    state.delivered, state.build, state.stuck = event.delivered, event.build, event.message


def _resumed(state: RunState, event: ev.Resumed, at: int) -> None:
    change_phase(state, event)
    state.build = state.stuck = ""
    if state.delivered < len(state.arrivals):
        state.held.append(Held(state.delivered, len(state.arrivals), at))
        state.delivered = len(state.arrivals)


def _noted(state: RunState, event: ev.Logged, at: int) -> None:
    """A line for people: no part of the state."""


def _attributes(state: RunState, event: ev.AttributesSet, at: int) -> None:
    for name, value in event.values.items():
        if bytes(value) == b"null":
            state.attributes.pop(name, None)
        else:
            state.attributes[name] = value.copy()


def _completed(state: RunState, event: ev.RunCompleted, at: int) -> None:
    _end(state, event)
    state.result = event.result.copy()


def _failed(state: RunState, event: ev.RunFailed, at: int) -> None:
    _end(state, event)
    state.failure = copied(event.error)


def _stopped(state: RunState, event: ev.RunCancelled | ev.RunTerminated, at: int) -> None:
    _end(state, event)
    state.reason = event.reason or state.reason
    if isinstance(event, ev.RunTerminated):
        remember(state, event.command)


def _end(state: RunState, event: Event) -> None:
    change_phase(state, event)
    for kept in (state.steps, state.retries, state.abandoned, state.timers):
        kept.clear()


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.RunStarted: _started,
    ev.Recovered: _recovered,
    ev.Suspended: _suspended,
    ev.Resumed: _resumed,
    ev.Logged: _noted,
    ev.AttributesSet: _attributes,
    ev.RunCompleted: _completed,
    ev.RunFailed: _failed,
    ev.RunCancelled: _stopped,
    ev.RunTerminated: _stopped,
}
