"""Signals: kept in the order of the log for whoever asks; a race that is lost consumes none."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from ...eventlog.errors import Invalid
from ..authoring.effects import SignalWait
from . import handlers
from .branches import Branch
from .state import Signalled

if TYPE_CHECKING:
    from .driver import Machine


def ask_signal(machine: Machine, branch: Branch, effect: SignalWait[Any]) -> None:
    branch.next_id()
    branch.waiting = effect
    if effect.name in machine.heard.signals:
        machine.resume(branch, None, _handled_already(effect.name))
    elif machine.inbox.get(effect.name):
        receive(machine, branch, effect, take(machine, effect.name))
    else:
        machine.listeners.setdefault(effect.name, {})[branch] = effect


def abandon(machine: Machine, branch: Branch, effect: SignalWait[Any]) -> None:
    """The branch no longer waits."""
    del machine.listeners[effect.name][branch]


def arrived(machine: Machine, arrival: Signalled) -> None:
    handler, value = machine.heard.signals.get(arrival.name), machine.content(arrival.value, arrival.blob)
    if handler is not None:
        handlers.signal(machine, handler, value)
        return
    listening = machine.listeners.get(arrival.name)
    if not listening:
        machine.inbox.setdefault(arrival.name, deque()).append(value)
        machine.unread += 1
        machine.unread_bytes += len(value)
        return
    branch = next(iter(listening))
    receive(machine, branch, listening.pop(branch), value)


def take(machine: Machine, name: str) -> Raw:
    """The oldest signal of a name that nobody has read."""
    value = machine.inbox[name].popleft()
    machine.unread -= 1
    machine.unread_bytes -= len(value)
    return value


def give_back(machine: Machine, branch: Branch) -> bool:
    """Take a signal from a branch that has not gone on with it; False where it has none."""
    if branch not in machine.given:
        return False
    taken = machine.given.pop(branch)
    machine.ready.remove(next(entry for entry in machine.ready if entry[0] is branch))
    put_back(machine, *taken)
    return True


def put_back(machine: Machine, effect: SignalWait[Any], value: Raw) -> None:
    """A signal that nobody went on with: the next who waits gets it, or it is the first in the inbox again."""
    if listening := machine.listeners.get(effect.name):
        other = next(iter(listening))
        receive(machine, other, listening.pop(other), value)
    else:
        machine.inbox.setdefault(effect.name, deque()).appendleft(value)
        machine.unread += 1
        machine.unread_bytes += len(value)


def receive(machine: Machine, branch: Branch, effect: SignalWait[Any], value: Raw) -> None:
    machine.given[branch] = (effect, value)
    try:
        machine.resume(branch, effect.shape.decode(value))
    except Invalid as unfit:
        machine.resume(branch, None, unfit)


def _handled_already(name: str) -> Invalid:
    expected, found = "a signal without on_signal", "on_signal for the same name"
    return Invalid("the signal has a handler, which gets every one of this name", who=f"signal({name!r})", expected=expected, found=found,
                   instead="keep what the handler is given in a variable, and wait_until it is there")
