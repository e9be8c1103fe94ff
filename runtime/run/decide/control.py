"""Standing still and going on: may the run be paused, resumed, or, once it has failed, retried?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Refused
from .. import commands as cmd
from .. import events as ev
from ..state import Ended, Outcome, RunState
from .approvals import overtaken
from .artifacts import must_be_removed
from .asking import NONE, must_exist, must_live, repeated
from .steps import overdue


def _pause(state: RunState, command: cmd.Pause, now: int) -> Sequence[Event]:
    """A pause that only a move wants becomes a person's, which the move leaves as it is."""
    if repeated(state, command.command):
        return NONE
    children = command.children and state.word is None and _has_children(state)
    if state.phase == "paused" and not state.held_for:
        return [ev.ChildrenTold("pause", command.reason, command.freeze, command.command)] if children else NONE
    must_live(state, "pause")
    if state.phase == "delayed":
        raise Refused("a run that has not begun cannot be paused", who=f"run of workflow {state.workflow!r}", where="pause",
                      expected="a run whose code has begun", found="one that is delayed",
                      instead="cancel it, and start it again with a longer delay")
    paused = ev.Paused(command.reason, command.command, command.freeze)
    return [paused, ev.ChildrenTold("pause", command.reason, command.freeze)] if children else [paused]


def _resume(state: RunState, command: cmd.Resume, now: int) -> Sequence[Event]:
    """A paused run goes on, a delayed one begins now, a suspended one is tried again though its build was tried before."""
    if repeated(state, command.command):
        return NONE
    children = command.children and _has_children(state)
    if state.phase == "running":
        return [ev.ChildrenTold("resume", command=command.command)] if children else NONE
    must_live(state, "resume")
    goes_on = [ev.Resumed("", command.command), *(fired(state, now) if command.believed else NONE)]
    return [ev.ChildrenTold("resume"), *goes_on] if children else goes_on


def _has_children(state: RunState) -> bool:
    """Whether one has begun, or may have, and has not ended; a run that it is only attached to is none."""
    return any(state.made[id].workflow for many in (state.children, state.starting) for id in many)


def fired(state: RunState, now: int) -> Sequence[Event]:
    """The timers that are due, the approvals that escalate or expire and the steps whose time is up, the earliest first."""
    due = sorted((due, id) for many in (state.timers, state.step_deadlines) for id, due in many.items() if due <= now)
    events = [one for at, id in due for one in _due(state, id, at, now)]
    return [event for _, event in sorted(events, key=_by_time)]


def _due(state: RunState, id: str, at: int, now: int) -> Sequence[tuple[int, Event]]:
    if id in state.approvals:
        return overtaken(id, state.approvals[id], now)
    return [(at, ev.TimerFired(id, at) if id in state.timers else overdue(state, id, now))]


def _by_time(event: tuple[int, Event]) -> int:
    return event[0]


def _wake(state: RunState, command: cmd.Wake, now: int) -> Sequence[Event]:
    if state.ended or state.phase == "new":
        return NONE
    if not command.believed:
        return [ev.Resumed()] if state.goes_on else NONE
    if state.deadline and not state.frozen_at and state.deadline <= now:
        return [ev.RunTimedOut()]
    if state.phase == "delayed":
        return [ev.Resumed()] if state.start_at <= now else NONE
    if state.phase == "paused":
        return [ev.Resumed(), *fired(state, now)] if state.goes_on else NONE
    return fired(state, now)


def retry(state: RunState, command: cmd.Retry, now: int) -> Sequence[Event]:
    if repeated(state, command.command):
        return NONE
    must_exist(state)
    if state.phase != "failed":
        raise Refused("only a failed run can be retried", who=f"run of workflow {state.workflow!r}", where="retry",
                      expected="a run that has failed", found=f"it is {state.phase}",
                      instead="start a new run, or begin this id again with reuse='always'")
    must_be_removed(state, "retry")
    place = command.place
    if place is not None and (command.generation != state.generation or place > state.delivered):
        raise Refused("the run cannot go back so far", who=f"run of workflow {state.workflow!r}", where="retry",
                      expected=f"a version of generation {state.generation}", found=f"one of generation {command.generation}",
                      instead="choose a later version: 'perdure events' shows them, or start a new run")
    if place is None and state.fault in ("step", "child"):
        place = _final_failure(state)
    elif place == state.delivered:
        place = None  # it failed in that very turn, which is driven again
    void = place is not None
    return [ev.RetryRequested(state.delivered - 1 if place is None else place, void, command.fresh_keys, command.command)]


def _final_failure(state: RunState) -> int | None:
    """The place of the failure that ended the run; Refused where a step, such as a compensation, was completed behind it."""
    places = [place for place, arrival in enumerate(state.arrivals) if isinstance(arrival, Outcome | Ended) and arrival.error is not None]
    if not places:
        return None
    done = [arrival.id for arrival in state.arrivals[places[-1] :] if isinstance(arrival, Outcome | Ended) and arrival.error is None]
    if done:
        raise Refused("steps were completed after the failure, so going on from it would contradict them",
                      who=f"run of workflow {state.workflow!r}", where="retry", expected="no completed step behind the failure",
                      found=f"step {', '.join(done)}",
                      instead="say from where on the run is to be done again with from_version=…, or start a new run")
    return places[-1]


def _upgrade(state: RunState, command: cmd.Upgrade, now: int) -> Sequence[Event]:
    """As far as the facts allow; that the code of that version agrees with them is for whoever has the code to see."""
    if repeated(state, command.command) or state.version == command.version:
        return NONE
    must_live(state, "upgrade")
    return [ev.Upgraded(command.version, command.command)]


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Pause: _pause,
    cmd.Resume: _resume,
    cmd.Wake: _wake,
    cmd.Retry: retry,
    cmd.Upgrade: _upgrade,
}
