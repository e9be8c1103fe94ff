"""Attempts as their run sees them: what is told to whoever wants to begin one."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from .commands import Begin, LookAtAttempt
from .state import RunState


class AttemptStanding(Struct, frozen=True):
    """Whether an attempt is still wanted, whether it may begin now, and what an attempt before it told last."""

    wanted: bool
    goes_on: bool = False
    heartbeat: Raw | UnsetType = UNSET


def told_of(facts: RunState, command: Begin | LookAtAttempt) -> bool | AttemptStanding:
    """For a beginning whether it is recorded, and the only one; else how the attempt stands."""
    step = facts.steps.get(command.id)
    if isinstance(command, Begin):
        return step is not None and step.begun == (command.started, command.worker) and facts.phase != "suspended"
    is_open = step is not None and step.attempt == command.attempt and command.id not in facts.deferred
    if step is None or not is_open or facts.keys != command.keys or facts.ended:
        return AttemptStanding(wanted=False)
    return AttemptStanding(wanted=True, goes_on=facts.phase == "running", heartbeat=step.heartbeat)
