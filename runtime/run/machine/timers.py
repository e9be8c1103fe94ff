"""Timers: how the code asks for a sleep or a limit of time, and what happens when one is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...authoring.effects import CloseScope, OpenScope, Sleep
from ...authoring.errors import Cancelled
from ...authoring.messages import WaitUntil
from .. import events as ev
from ..state import Fired
from . import conditions, groups
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine


def ask_sleep(machine: Machine, branch: Branch, effect: Sleep) -> None:
    _set(machine, branch, effect, effect.until if effect.until is not None else machine.time() + (effect.duration or 0))


def ask_scope(machine: Machine, branch: Branch, effect: OpenScope) -> None:
    effect.scope.timer = _set(machine, branch, effect, machine.time() + effect.duration)
    machine.resume(branch, None)


def ask_close_scope(machine: Machine, branch: Branch, effect: CloseScope) -> None:
    scope = effect.scope
    if not scope.expired:
        machine.drop(scope.timer)
    elif branch.pending is not None and branch.pending.source is scope:
        branch.pending = None
    machine.resume(branch, None)


def _set(machine: Machine, branch: Branch, effect: Any, due: int) -> str:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    machine.wishes.append(ev.TimerSet(id, due))
    return id


def arrived(machine: Machine, arrival: Fired) -> None:
    """A timer of the code is due: a sleep ends, or a scope's time is up."""
    wait = machine.waits.pop(arrival.id, None)
    if wait is None:
        return
    branch, effect = wait
    if isinstance(effect, Sleep):
        machine.resume(branch, None)
    elif isinstance(effect, WaitUntil):
        conditions.too_late(machine, branch)
    else:
        effect.scope.expired = True
        groups.cancel(machine, branch, Cancelled(effect.scope))


ASKS: Mapping[type, Callable[[Any, Branch, Any], None]] = {Sleep: ask_sleep, OpenScope: ask_scope, CloseScope: ask_close_scope}
