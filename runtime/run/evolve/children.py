"""Children: wanted, started, ended, left; and who waits for the end of this run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ....eventlog.codec import Event
from ...authoring.values import NOTHING
from .. import events as ev
from ..script import name_of_child
from ..state import Begun, Child, Ended, Line, RunState, Word, key_of
from .arriving import arrive, copied, remember


def _scheduled(state: RunState, event: ev.ChildScheduled, at: int) -> None:
    args = event.input.copy()
    given = event.run, event.on_parent_end, event.workflow, event.version, args, event.detached, event.blob
    _want(state, event.id, Child(*given, since=state.retried))
    state.script.append(Line(state.delivered, "child", event.id, name_of_child(event), key_of(args, event.blob)))


def _attaching(state: RunState, event: ev.AttachScheduled, at: int) -> None:
    _want(state, event.id, Child(event.run, "unwatch", since=state.retried))
    state.script.append(Line(state.delivered, "attach", event.id, event.run, NOTHING))


def _want(state: RunState, id: str, child: Child) -> None:
    state.made[id] = child
    state.starting[id] = None


def _confirmed(state: RunState, event: ev.ChildStarted | ev.Attached, at: int) -> None:
    del state.starting[event.id]
    state.children[event.id] = None
    if state.made[event.id].detached:
        arrive(state, Begun(at, event.id))
    if state.word is not None and state.made[event.id].workflow:
        state.telling[event.id] = state.word


def _ended(state: RunState, event: ev.ChildEnded, at: int) -> None:
    state.children.pop(event.id, None)
    state.starting.pop(event.id, None)
    state.telling.pop(event.id, None)
    error = None if event.error is None else copied(event.error)
    arrive(state, Ended(at, event.id, event.status, event.value.copy(), error, event.blob))


def _released(state: RunState, event: ev.ChildReleased, at: int) -> None:
    del state.leaving[event.id]


def _watched(state: RunState, event: ev.Watched, at: int) -> None:
    state.watchers[event.by] = None


def _unwatched(state: RunState, event: ev.Unwatched, at: int) -> None:
    del state.watchers[event.by]


def _told(state: RunState, event: ev.ChildrenTold, at: int) -> None:
    remember(state, event.command)
    state.heard = max(state.heard, event.word)
    word = Word(event.how, state.length, event.reason, event.freeze)
    state.word = word if event.how == "pause" else None
    state.telling |= {id: word for id in state.children if state.made[id].workflow}


def _heard(state: RunState, event: ev.ChildHeard, at: int) -> None:
    del state.telling[event.id]


def leave(state: RunState, id: str) -> bool:
    """The child is no longer wanted: it has to be told, unless it may go on alone. False where there is no such child."""
    if id not in state.made:
        return False
    open_ = id in state.starting or id in state.children
    state.starting.pop(id, None)
    state.children.pop(id, None)
    state.telling.pop(id, None)
    if open_ and state.made[id].how != "abandon":
        state.leaving[id] = state.made[id]
    return True


def leave_all(state: RunState) -> None:
    """The run, or a generation of it, has ended."""
    for id in [*state.starting, *state.children]:
        leave(state, id)


def want_again(state: RunState, lines: Iterable[Line]) -> None:
    """The run is retried: the children of these lines of the script, ended or not, are wanted as they were then."""
    begun = {arrival.id for arrival in state.arrivals if isinstance(arrival, Begun)}
    state.children.clear()
    for line in lines:
        if line.what in ("child", "attach"):
            child = state.made[line.id]
            state.made[line.id] = msgspec.structs.replace(child, detached=child.detached and line.id not in begun, since=state.retried)
            state.starting[line.id] = None


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.ChildScheduled: _scheduled,
    ev.AttachScheduled: _attaching,
    ev.ChildStarted: _confirmed,
    ev.Attached: _confirmed,
    ev.ChildEnded: _ended,
    ev.ChildReleased: _released,
    ev.Watched: _watched,
    ev.Unwatched: _unwatched,
    ev.ChildrenTold: _told,
    ev.ChildHeard: _heard,
}
