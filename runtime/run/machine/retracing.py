"""The short way of replay: a step has ended, and its branch asks for the very step that the log holds next.

It comes to what feeding the machine and holding its wishes against the script come to, without an event and two lists in
between, because most of a long log is just this. `tests/runtime/run/test_retracing.py` holds it to the long way.
"""

from __future__ import annotations

from typing import Any

from ....eventlog.errors import Invalid
from ...authoring.effects import StepCall
from ..state import KEY_BYTES, Arrival, Line, Outcome, key_of
from .driver import NOBODY, Machine
from .steps import ask_step

UNFIT = object()
"""In the place of a value that no step waits for, or that does not fit the code: the long way says what that means."""


def retrace(machine: Machine, arrival: Arrival, line: Line) -> bool:
    """Hand the code an arrival; whether just the step of `line` is what it asks for then. If not, its wishes are the machine's."""
    if type(arrival) is not Outcome or arrival.error is not None or arrival.blob is not None or arrival.given or arrival.artifacts:
        machine.feed(arrival, arrival.at)
        return False
    branch, call = machine.waits.get(arrival.id, NOBODY)
    value = _value(call, arrival)
    if branch is None or value is UNFIT:
        machine.feed(arrival, arrival.at)
        return False
    del machine.waits[arrival.id]
    machine.fresh.pop(arrival.id, None)
    machine.at = max(arrival.at, machine.at)
    machine.fed += 1
    asked = machine.hand(branch, value)
    more = machine.ready or machine.wishes or machine.conditions or machine.abandoned
    if asked is None or more or len(asked.raw) > machine.shelf.large_bytes or not _is_of(line, f"{branch.path}{branch.ordinal}", asked):
        if asked is not None:
            ask_step(machine, branch, asked)
        machine.to_rest()
        return False
    machine.current = None
    branch.ordinal += 1
    branch.waiting = machine.fresh[line.id] = asked
    machine.waits[line.id] = branch, asked
    return True


def _value(call: Any, arrival: Outcome) -> Any:
    if type(call) is not StepCall:
        return UNFIT
    try:
        return call.step.returns.decode(arrival.value)  # pyright: ignore[reportUnknownMemberType] # a StepCall of anything
    except Invalid:
        return UNFIT


def _is_of(line: Line, id: str, asked: StepCall[Any]) -> bool:
    args = asked.raw
    key = args if len(args) <= KEY_BYTES else key_of(args)
    return line.what == "step" and line.id == id and line.name == asked.step.name and line.key == key
