"""Approvals: asked for, given by as many as it takes, escalated, and decided once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ....eventlog.codec import Event
from .. import events as ev
from ..script import approval_key
from ..state import Asked, Decided, Given, Line, RunState
from .arriving import arrive, remember


def _requested(state: RunState, event: ev.ApprovalRequested, at: int) -> None:
    show = event.show.copy()
    _keep(state, event.id, Asked(event.name, show, event.digest, at, event.expires, event.terms))
    state.script.append(Line(state.delivered, "approval", event.id, event.name, approval_key(show, event.expires, event.terms)))


def _keep(state: RunState, id: str, asked: Asked) -> None:
    state.approvals[id] = asked
    if asked.due is None:
        state.timers.pop(id, None)
    else:
        state.timers[id] = asked.due


def _given(state: RunState, event: ev.ApprovalGiven, at: int) -> None:
    """One of several: the code hears of it with the decision."""
    remember(state, event.command)
    if (asked := state.approvals.get(event.id)) is not None:
        _keep(state, event.id, replace(asked, given=(*asked.given, Given(event.by, at, event.why))))


def _escalated(state: RunState, event: ev.ApprovalEscalated, at: int) -> None:
    if (asked := state.approvals.get(event.id)) is not None:
        _keep(state, event.id, replace(asked, stage=event.stage))


def _decided(state: RunState, event: ev.ApprovalDecided, at: int) -> None:
    remember(state, event.command)
    if (asked := state.approvals.pop(event.id, None)) is not None:
        state.timers.pop(event.id, None)
        arrive(state, Decided(at, event.id, event.outcome, event.by, event.why, asked.given))


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.ApprovalRequested: _requested,
    ev.ApprovalGiven: _given,
    ev.ApprovalEscalated: _escalated,
    ev.ApprovalDecided: _decided,
}
