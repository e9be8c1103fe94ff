"""What every topic does to the facts: something arrives for the code, a command is remembered."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from ...authoring.errors import Failure
from ..repeats import keep
from ..state import Arrival, RunState


def arrive(state: RunState, arrival: Arrival) -> None:
    """Keep what came for the code; a run that stands still takes it when it goes on."""
    state.arrivals.append(arrival)
    if state.phase == "running":
        state.delivered = len(state.arrivals)


def remember(state: RunState, command: str) -> None:
    """A repeat of the command gets the answer that it got here."""
    if command:
        keep(state.commands, state.forgotten, command, state.length, state.at)


def copied(failure: Failure) -> Failure:
    """The failure without a hold on the bytes of the record that it came in."""
    details = UNSET if isinstance(failure.details, UnsetType) else failure.details.copy()
    return Failure(failure.type, failure.message, details, None if failure.cause is None else copied(failure.cause))
