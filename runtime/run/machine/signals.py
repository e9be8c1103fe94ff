"""Signals: kept in the order of the log for whoever asks; a race that is lost consumes none."""

from __future__ import annotations

from bisect import insort
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Raw

from ....eventlog.errors import Invalid
from ...authoring.effects import SignalWait
from ..state import Signalled
from . import handlers
from .branches import Branch

if TYPE_CHECKING:
    from .driver import Machine


class Unread(NamedTuple):
    """A signal that nobody has gone on with, and when it came: counted in arrivals."""

    place: int
    value: Raw


_age = itemgetter(0)


def ask_signal(machine: Machine, branch: Branch, effect: SignalWait[Any]) -> None:
    branch.next_id()
    branch.waiting = effect
    if effect.name in machine.heard.signals:
        machine.resume(branch, None, _handled_already(effect.name))
    elif machine.inbox.get(effect.name):
        receive(machine, branch, effect, take(machine, effect.name))
    else:
        machine.listeners = machine.listeners or {}
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
        _keep(machine, arrival.name, Unread(machine.fed, value))
        return
    branch = next(iter(listening))
    receive(machine, branch, listening.pop(branch), Unread(machine.fed, value))


def _keep(machine: Machine, name: str, unread: Unread) -> None:
    """Into the inbox, where the oldest comes first."""
    machine.inbox = machine.inbox or {}
    insort(machine.inbox.setdefault(name, deque()), unread, key=_age)
    machine.unread += 1
    machine.unread_bytes += len(unread.value)


def take(machine: Machine, name: str) -> Unread:
    """The oldest signal of a name that nobody has read."""
    unread = machine.inbox[name].popleft()
    machine.unread -= 1
    machine.unread_bytes -= len(unread.value)
    return unread


def give_back(machine: Machine, branch: Branch) -> bool:
    """Take a signal from a branch that has not gone on with it; False where it has none."""
    if branch not in machine.given:
        return False
    taken = machine.given.pop(branch)
    machine.ready.remove(next(entry for entry in machine.ready if entry[0] is branch))
    put_back(machine, *taken)
    return True


def put_back(machine: Machine, effect: SignalWait[Any], unread: Unread) -> None:
    """A signal that nobody went on with: the next who waits gets it, or it is in the inbox again, before those that came after it."""
    if listening := machine.listeners.get(effect.name):
        other = next(iter(listening))
        receive(machine, other, listening.pop(other), unread)
    else:
        _keep(machine, effect.name, unread)


def receive(machine: Machine, branch: Branch, effect: SignalWait[Any], unread: Unread) -> None:
    machine.given = machine.given or {}
    machine.given[branch] = (effect, unread)
    try:
        machine.resume(branch, effect.shape.decode(unread.value))
    except Invalid as unfit:
        machine.resume(branch, None, unfit)


def _handled_already(name: str) -> Invalid:
    expected, found = "a signal without on_signal", "on_signal for the same name"
    return Invalid("the signal has a handler, which gets every one of this name", who=f"signal({name!r})", expected=expected, found=found,
                   instead="keep what the handler is given in a variable, and wait_until it is there")
