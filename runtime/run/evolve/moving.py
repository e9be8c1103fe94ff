"""Moving to another log: the run is away, and then here again, in that log or in its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..state import RunState
from .arriving import remember


def _moved_out(state: RunState, event: ev.MovedOut, at: int) -> None:
    state.away, state.away_to = event.move, event.to


def _here_again(state: RunState, event: ev.MovedIn | ev.MovedBack, at: int) -> None:
    state.away = state.away_to = ""
    state.goes_on = state.phase == "paused" and bool(state.held_for)
    remember(state, event.move)


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.MovedOut: _moved_out,
    ev.MovedIn: _here_again,
    ev.MovedBack: _here_again,
}
