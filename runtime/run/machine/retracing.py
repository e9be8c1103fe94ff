"""The short way of replay: a step has ended, and its branch asks for the very step that the log holds next; then that one has ended.

It comes to what feeding the machine and holding its wishes against the script come to, without an event and two lists in
between, because most of a long log is just this. `tests/runtime/run/test_retracing.py` holds it to the long way.
"""

from __future__ import annotations

from typing import Any

from ....eventlog.errors import Invalid
from ...authoring.effects import StepCall
from ..state import KEY_BYTES, Line, Outcome, RunState, key_of
from .branches import Branch
from .driver import NOBODY, Machine
from .steps import ask_step


def retrace(machine: Machine, facts: RunState, matched: int) -> tuple[int, bool]:
    """Hand the code its next arrivals, for as long as its whole answer to each is the step of the next line of the script.

    (how many lines are matched now; whether it was handed one arrival more, and answered otherwise: its wishes are the machine's).
    """
    arrivals, script, upto, ends = facts.arrivals, facts.script, facts.delivered, len(facts.script)
    waits, fresh, large_bytes = machine.waits, machine.fresh, machine.shelf.large_bytes
    while (taken := machine.fed) < upto and matched < ends:
        arrival, line = arrivals[taken], script[matched]
        if type(arrival) is not Outcome or arrival.error is not None or arrival.blob is not None or arrival.given or arrival.artifacts:
            break
        branch, call = waits.get(arrival.id, NOBODY)
        taken += 1
        is_one = line.after == taken and (matched + 1 == ends or script[matched + 1].after > taken)
        if not is_one or branch is None or type(call) is not StepCall or branch.coroutine is None:
            break
        try:
            value = call.step.returns.decode(arrival.value)  # pyright: ignore[reportUnknownMemberType] # a StepCall of anything
        except Invalid:
            break  # the long way says what is wrong
        del waits[arrival.id]
        fresh.pop(arrival.id, None)
        machine.fed, branch.waiting = taken, None
        machine.at = max(arrival.at, machine.at)
        asked = machine.send(branch, value)
        more = machine.ready or machine.wishes or machine.conditions or machine.abandoned
        if asked is None or more or len(asked.raw) > large_bytes or not _is_of(line, branch, asked):
            if asked is not None:
                ask_step(machine, branch, asked)
            machine.to_rest()
            return matched, True
        machine.current = None
        branch.ordinal += 1
        branch.waiting = fresh[line.id] = asked
        waits[line.id] = branch, asked
        matched += 1
    return matched, False


def _is_of(line: Line, branch: Branch, asked: StepCall[Any]) -> bool:
    args = asked.raw
    key = args if len(args) <= KEY_BYTES else key_of(args)
    return line.what == "step" and line.id == f"{branch.path}{branch.ordinal}" and line.name == asked.step.name and line.key == key
