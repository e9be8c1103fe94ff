"""Approvals: asked for, and decided once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..script import approval_key
from ..state import Asked, Decided, Line, RunState
from .arriving import arrive, remember


def _requested(state: RunState, event: ev.ApprovalRequested, at: int) -> None:
    show = event.show.copy()
    state.approvals[event.id] = Asked(event.name, show, event.digest, at, event.expires)
    if event.expires is not None:
        state.timers[event.id] = event.expires
    state.script.append(Line(state.delivered, "approval", event.id, event.name, approval_key(show, event.expires)))


def _decided(state: RunState, event: ev.ApprovalDecided, at: int) -> None:
    remember(state, event.command)
    if state.approvals.pop(event.id, None) is not None:
        state.timers.pop(event.id, None)
        arrive(state, Decided(at, event.id, event.outcome, event.by, event.why))


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.ApprovalRequested: _requested,
    ev.ApprovalDecided: _decided,
}
