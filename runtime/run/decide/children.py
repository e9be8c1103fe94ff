"""Children: what a parent is told of them, and what a run is told by those who wait for its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ....eventlog.codec import Event
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from ..waiting import waiter_of
from .asking import NONE, must_exist
from .beginning import began, watch
from .control import fired
from .life import cancel, terminate

UNWANTED = "its parent no longer wants it"


# -- of a parent -------------------------------------------------------------------------------------------------------


def _confirmed(state: RunState, command: ev.ChildStarted | ev.Attached, now: int) -> Sequence[Event]:
    return (command,) if command.id in state.starting and _is_meant(state, command) else NONE


def _is_meant(state: RunState, command: ev.ChildStarted | ev.Attached | ev.ChildEnded) -> bool:
    """Whether it is said of the child as it is wanted now; what was said before the run was retried may come late."""
    child = state.made.get(command.id)
    return child is not None and child.since == command.since


def _ended(state: RunState, command: ev.ChildEnded, now: int) -> Sequence[Event]:
    if not _is_meant(state, command):
        return NONE
    if command.id not in state.starting:
        return (command,) if command.id in state.children else NONE
    begun = state.made[command.id].detached and command.status != "refused"
    return (ev.ChildStarted(command.id, command.since), command) if begun else (command,)


def _released(state: RunState, command: ev.ChildReleased, now: int) -> Sequence[Event]:
    child = state.leaving.get(command.id)
    return (command,) if child is not None and child.since == command.since else NONE


def _heard(state: RunState, command: ev.ChildHeard, now: int) -> Sequence[Event]:
    word = state.telling.get(command.id)
    return (command,) if word is not None and word.said == command.word else NONE


# -- of a run that is waited for ---------------------------------------------------------------------------------------


def _watch(state: RunState, command: cmd.Watch, now: int) -> Sequence[Event]:
    must_exist(state)
    return watch(state, command.by)


def _leave(state: RunState, command: cmd.Leave, now: int) -> Sequence[Event]:
    start, who = command.start, waiter_of(command.by)
    if state.phase == "new":
        if start is None:
            return NONE
        never = msgspec.structs.replace(start, start_at=now)
        return [began(never), ev.CancelRequested(UNWANTED), ev.RunCancelled(UNWANTED), ev.Unwatched(command.by)]
    askings = [by for by in state.watchers if waiter_of(by).place == who.place]
    if any(waiter_of(by).since > who.since for by in askings):
        return NONE  # it was said before its parent was retried, and comes late: now it is wanted
    gone = [ev.Unwatched(by) for by in askings]
    if state.ended or state.parent != who.place or command.how == "unwatch":
        return gone
    if command.how == "terminate":
        return [*terminate(state, cmd.Terminate(UNWANTED), now), *gone]
    return [*cancel(state, cmd.Cancel(UNWANTED), now), *gone]


def _follow(state: RunState, command: cmd.Follow, now: int) -> Sequence[Event]:
    """The parent's words may come late, twice and in any order: the newest counts, and none of a parent that wants it no more."""
    must_exist(state)
    place = waiter_of(command.by).place
    wanted = state.parent == place and any(waiter_of(by).place == place for by in state.watchers)
    if not wanted or state.ended or state.phase == "delayed" or command.word <= state.heard:
        return NONE
    told = ev.ChildrenTold(command.how, command.reason, command.freeze, word=command.word)
    if command.how == "pause":
        return [told] if state.phase == "paused" and not state.held_for else [ev.Paused(command.reason, freeze=command.freeze), told]
    return [told] if state.phase == "running" else [told, ev.Resumed(), *fired(state, now)]


def _told(state: RunState, command: ev.Unwatched, now: int) -> Sequence[Event]:
    return (command,) if command.by in state.watchers else NONE


def _announced(state: RunState, command: ev.EndAnnounced, now: int) -> Sequence[Event]:
    return (command,) if str(command.end) in state.notices else NONE


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    ev.ChildStarted: _confirmed,
    ev.Attached: _confirmed,
    ev.ChildEnded: _ended,
    ev.ChildReleased: _released,
    ev.ChildHeard: _heard,
    cmd.Watch: _watch,
    cmd.Leave: _leave,
    cmd.Follow: _follow,
    ev.Unwatched: _told,
    ev.EndAnnounced: _announced,
}
