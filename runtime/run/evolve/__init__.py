"""It is so: how each event of the log changes the facts of a run. One file a topic, one table for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from ..state import RunState
from . import approvals, artifacts, children, life, messages, moving, steps, waits

EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    **life.EVOLVE,
    **steps.EVOLVE,
    **waits.EVOLVE,
    **messages.EVOLVE,
    **approvals.EVOLVE,
    **children.EVOLVE,
    **moving.EVOLVE,
    **artifacts.EVOLVE,
}


def evolve(state: RunState, event: Event, at: int) -> RunState:
    """The state after an event of the log."""
    state.length += 1
    state.at = at
    EVOLVE[type(event)](state, event, at)
    return state
