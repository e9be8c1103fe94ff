"""Conditions: branches that wait until a predicate holds. They are looked at when the code has come to rest, the oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...authoring.messages import WaitUntil
from .. import events as ev
from .branches import Branch
from .reading import read

if TYPE_CHECKING:
    from .driver import Machine


def ask_condition(machine: Machine, branch: Branch, effect: WaitUntil) -> None:
    branch.next_id()
    branch.waiting = effect
    machine.conditions = machine.conditions or {}
    machine.conditions[branch] = effect


def abandon(machine: Machine, branch: Branch) -> None:
    """The branch no longer waits."""
    del machine.conditions[branch]
    machine.drop(_id(branch))


def too_late(machine: Machine, branch: Branch) -> None:
    """The time is up, and the predicate did not hold."""
    del machine.conditions[branch]
    machine.resume(branch, None, TimeoutError("wait_until: the time is up, and the predicate did not hold"))


def holds(machine: Machine, branch: Branch) -> bool:
    """Look at one branch's predicate; where it holds, or raises, the branch is ready to go on."""
    effect = machine.conditions.get(branch)
    if effect is None:
        return False
    error: BaseException | None = None
    try:
        if not read(machine, "wait_until", branch.context, effect.predicate):
            _limit(machine, branch, effect)
            return False
    except (RecursionError, KeyboardInterrupt):
        raise
    except BaseException as raised:
        error = raised
    abandon(machine, branch)
    machine.resume(branch, None, error)
    return True


def _limit(machine: Machine, branch: Branch, effect: WaitUntil) -> None:
    """The first look found it false: from now on the time counts."""
    id = _id(branch)
    if effect.duration is not None and id not in machine.waits:
        machine.wait_for(id, branch, effect)
        machine.wishes.append(ev.TimerSet(id, machine.time() + effect.duration))


def _id(branch: Branch) -> str:
    return f"{branch.path}{branch.ordinal - 1}"
