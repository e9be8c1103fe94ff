"""May it be? The events that a command leads to, given the facts. Pure, retry arithmetic included. One file a topic, one table for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ..commands import Command
from ..state import RunState
from . import approvals, artifacts, beginning, children, control, life, messages, moving, outside, steps

DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    **beginning.DECIDE,
    **life.DECIDE,
    **control.DECIDE,
    **steps.DECIDE,
    **outside.DECIDE,
    **messages.DECIDE,
    **approvals.DECIDE,
    **children.DECIDE,
    **moving.DECIDE,
    **artifacts.DECIDE,
}


def decide(state: RunState, command: Command, now: int) -> Sequence[Event]:
    """The events that grant the command; Refused where it is illegal now, NotFound where there is no such run."""
    return DECIDE[type(command)](state, command, now)
