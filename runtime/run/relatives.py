"""Relatives: the other runs that a run speaks with until an end is known. They can only be moved together."""

from __future__ import annotations

from ...eventlog.streams import parts_of
from .state import RunState
from .waiting import waiter_of


def relatives(state: RunState) -> set[str]:
    """The ids of the runs that wait for this one's end, of those whose end it waits for, and of those that it has yet to leave."""
    wanted = {state.made[id].run for id in (*state.starting, *state.children)}
    left = {child.run for child in state.leaving.values()}
    return wanted | left | {parts_of(waiter_of(by).stream)[2] for by in state.watchers}
