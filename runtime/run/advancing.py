"""The short way of what happens most: a step has completed, and the branch that waited for it asks for the next one.

It comes to what `decide`, `evolve`, the machine and `react` come to, in one piece, because every step of every run passes
here. `tests/runtime/run/test_short_cut.py` holds it to the long way, event for event and state for state.
"""

from __future__ import annotations

from typing import Any

from ...eventlog.codec import Event
from .events import StepCompleted, StepScheduled
from .live import Run
from .machine.branches import Branch
from .machine.steps import ask_step
from .state import KEY_BYTES, Line, OpenStep, Outcome, key_of

NOBODY: tuple[Branch | None, Any] = (None, None)


def advance(run: Run, done: StepCompleted, now: int) -> list[Event]:
    """What happened, and the step that follows, if nothing else follows; else the run is `stirred`, and its machine has the rest.

    Empty, with nothing changed, where the short way is closed: the attempt is not the one that is wanted, or not one of this
    process, or something special is under way.
    """
    facts, machine, id = run.facts, run.machine, done.id
    if machine is None or facts.phase != "running" or run.coming or facts.retries or facts.deferred or facts.step_deadlines:
        return []
    open_step, (branch, call) = facts.steps.get(id), machine.waits.get(id, NOBODY)
    if open_step is None or branch is None or open_step.attempt != done.attempt or machine.fed != len(facts.arrivals):
        return []
    known = call.outcome
    if known is None or known[0] is not done.value or done.command or done.artifacts:
        return []
    del facts.steps[id], machine.waits[id]
    machine.fresh.pop(id, None)
    facts.arrivals.append(Outcome(now, id, done.value, None, done.attempt))
    facts.delivered = machine.fed = delivered = machine.fed + 1
    facts.length += 1
    facts.at = now
    machine.at = max(machine.at, now)
    asked = machine.hand(branch, known[1])
    more = machine.ready or machine.wishes or machine.conditions or machine.abandoned or run.lines
    if asked is None or more or asked.step.overall or len(asked.raw) > machine.shelf.large_bytes:
        run.stirred = True
        if asked is not None:
            ask_step(machine, branch, asked)
        machine.to_rest()
        return [done]
    machine.current = None
    step = asked.step
    id, args, name = f"{branch.path}{branch.ordinal}", asked.raw, step.name
    branch.ordinal += 1
    branch.waiting = machine.fresh[id] = asked
    machine.waits[id] = branch, asked
    facts.length += 1
    facts.steps[id] = OpenStep(name)
    facts.script.append(Line(delivered, "step", id, name, args if len(args) <= KEY_BYTES else key_of(args)))
    return [done, StepScheduled(id, name, args)]
