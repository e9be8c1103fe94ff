"""The life of a run: its beginning, its phases and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType

from ....eventlog.codec import Event
from ....eventlog.errors import Bug
from ...authoring.values import NOTHING
from .. import events as ev
from ..notices import Notice, definition_of
from ..state import AFTER, Held, RunState, artifacts_of, key_of
from ..waiting import waiter_of
from .again import begin_again, go_back, unread
from .arriving import copied, remember
from .children import leave_all
from .messages import forget_open_updates


def change_phase(state: RunState, event: Event) -> None:
    after = AFTER.get((state.phase, type(event)))
    if after is None:
        legal = ", ".join(kind.__name__ for phase, kind in AFTER if phase == state.phase)
        raise Bug("an illegal transition", who=f"run of {state.workflow or 'an unknown workflow'}", where=f"version {state.length}",
                  expected=legal or f"nothing: the run is {state.phase}", found=f"{type(event).__name__} while {state.phase}",
                  instead="report it with the log of this run")
    state.phase, state.goes_on = after, False


def _started(state: RunState, event: ev.RunStarted, at: int) -> None:
    if state.phase != "new":
        begin_again(state)
        forget_open_updates(state)
        state.attributes.clear()
        state.gone.clear()
        state.origin = UNSET
    change_phase(state, event)
    state.workflow, state.version, state.input, state.seed = event.workflow, event.version, event.input.copy(), event.seed
    state.started_at, state.deadline, state.input_blob = at, event.deadline, event.blob
    state.heard = state.heard if event.parent == state.parent else 0
    state.parent, state.by, state.on_end = event.parent, event.by, event.on_end
    if event.parent:
        begun_anew = waiter_of(event.command).place == event.parent
        state.watchers[event.command if begun_anew else event.parent] = None
    remember(state, event.command)


def _delayed(state: RunState, event: ev.RunDelayed, at: int) -> None:
    _started(state, event, at)
    state.start_at, state.delivered = event.start_at, -1


def _continued(state: RunState, event: ev.Continued, at: int) -> None:
    change_phase(state, event)
    carried = unread(state, event)
    state.origin = key_of(state.input, state.input_blob) if isinstance(state.origin, UnsetType) else state.origin
    stored = artifacts_of(state)
    begin_again(state)
    state.artifacts = stored
    state.version, state.input, state.started_at = event.version, event.input.copy(), at
    state.input_blob, state.arrivals = event.blob, carried
    if carried:
        state.delivered = len(carried)
        state.held.append(Held(-1, len(carried), at))


def _recovered(state: RunState, event: ev.Recovered, at: int) -> None:
    state.recoveries += 1


def _suspended(state: RunState, event: ev.Suspended, at: int) -> None:
    change_phase(state, event)
    state.delivered, state.build, state.stuck = event.delivered, event.build, event.message


def _paused(state: RunState, event: ev.Paused, at: int) -> None:
    change_phase(state, event)
    remember(state, event.command)
    state.stuck, state.frozen_at = event.reason, at if event.freeze else 0
    state.held_for = event.move


def _resumed(state: RunState, event: ev.Resumed, at: int) -> None:
    if state.frozen_at and state.deadline:
        state.deadline += at - state.frozen_at
    change_phase(state, event)
    remember(state, event.command)
    state.build = state.stuck = state.held_for = ""
    state.frozen_at, state.word = 0, None
    if state.delivered < len(state.arrivals):
        state.held.append(Held(state.delivered, len(state.arrivals), at))
        state.delivered = len(state.arrivals)


def _patched(state: RunState, event: ev.Patched, at: int) -> None:
    state.patches.append(event.name)


def _upgraded(state: RunState, event: ev.Upgraded, at: int) -> None:
    """A suspended run is tried again, as under any other build."""
    remember(state, event.command)
    state.version, state.build = event.version, ""


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
    state.result, state.result_blob = event.result.copy(), event.blob
    _announce(state, at)


def _failed(state: RunState, event: ev.RunFailed, at: int) -> None:
    """What was open stays known: a retry goes on with it."""
    change_phase(state, event)
    state.failure, state.fault = copied(event.error), event.kind
    leave_all(state)
    _announce(state, at)


def _retried(state: RunState, event: ev.RetryRequested, at: int) -> None:
    change_phase(state, event)
    remember(state, event.command)
    state.failure, state.fault, state.build, state.cancelling = None, "", "", 0
    state.keys += event.fresh_keys
    state.ended_at = 0
    state.retried = state.length
    go_back(state, event.place, void=event.void)


def _stopped(state: RunState, event: ev.RunCancelled | ev.RunTerminated, at: int) -> None:
    _end(state, event)
    state.reason = event.reason or state.reason
    _announce(state, at)
    if isinstance(event, ev.RunTerminated):
        remember(state, event.command)


def _timed_out(state: RunState, event: ev.RunTimedOut, at: int) -> None:
    _end(state, event)
    _announce(state, at)


def _announce(state: RunState, at: int) -> None:
    """The run has ended. A URL is to be told how, whatever becomes of its place meanwhile."""
    state.ended_at = at
    if state.on_end:
        completed = state.phase == "completed"
        result, blob = (state.result, state.result_blob) if completed else (NOTHING, None)
        about, failure = (state.on_end, state.phase, state.workflow, at), None if completed else state.failure
        definition = definition_of(state.workflow, state.attributes)
        state.notices[str(state.length)] = Notice(*about, result, blob, failure, state.reason, definition)


def _announced(state: RunState, event: ev.EndAnnounced, at: int) -> None:
    del state.notices[str(event.end)]


def _end(state: RunState, event: Event) -> None:
    change_phase(state, event)
    steps = state.steps or state.retries or state.step_deadlines or state.deferred or state.abandoned or state.tried
    if steps or state.timers or state.approvals or state.withdrawn:
        state.steps, state.retries, state.step_deadlines, state.deferred, state.abandoned, state.tried = {}, {}, {}, {}, {}, {}
        state.timers, state.approvals, state.withdrawn = {}, {}, {}
    if state.starting or state.children:
        leave_all(state)


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.RunStarted: _started,
    ev.RunDelayed: _delayed,
    ev.Continued: _continued,
    ev.Recovered: _recovered,
    ev.Suspended: _suspended,
    ev.Paused: _paused,
    ev.Resumed: _resumed,
    ev.RetryRequested: _retried,
    ev.Patched: _patched,
    ev.Upgraded: _upgraded,
    ev.Logged: _noted,
    ev.AttributesSet: _attributes,
    ev.RunCompleted: _completed,
    ev.RunFailed: _failed,
    ev.RunCancelled: _stopped,
    ev.RunTerminated: _stopped,
    ev.RunTimedOut: _timed_out,
    ev.EndAnnounced: _announced,
}
