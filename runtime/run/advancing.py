"""The short way of what happens most: a step has completed, and the branch that waited for it asks for the next one.

It comes to what `decide`, `evolve`, the machine and `react` come to, in one piece, because every step of every run passes
here. `tests/runtime/run/test_short_cut.py` holds it to the long way, event for event and state for state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...actors.shelf import NeedValue
from ...eventlog.codec import Event
from ...eventlog.errors import Diverged
from .commands import Command
from .events import StepCompleted, StepScheduled
from .live import Run
from .machine.large import needed
from .machine.steps import ask_step
from .state import KEY_BYTES, Line, OpenStep, Outcome, key_of


class Following(Protocol):
    """What becomes of a run that something else follows for."""

    def suspended(self, run: Run, error: Diverged | RecursionError) -> Event: ...

    def with_what_follows(self, state: Run, event: Event, wishes: Sequence[Event], now: int) -> Sequence[Event]: ...


def advance(runs: Following, run: Run, done: Command, now: int, /) -> Sequence[Event]:
    """What happened, and the step that follows, if nothing else follows; else the run is `stirred` by all that does.

    Empty, with nothing changed, where the short way is closed: the run is not plain, the attempt is not the one that is wanted, or
    its value is not what an attempt of this process has just made (which also tells that nobody else gave it).
    """
    if type(done) is not StepCompleted or (machine := run.machine) is None or (run.stirred and not run.is_plain()):
        return ()
    facts, id, value = run.facts, done.id, done.value
    steps = facts.steps
    open_step = steps.get(id)
    if open_step is None or open_step.attempt != done.attempt:
        return ()
    branch, call = machine.waits[id]
    known = call.outcome
    if known is None or known[0] is not value or done.artifacts:
        return ()
    del steps[id], machine.waits[id]
    fresh = machine.fresh
    if fresh:
        fresh.pop(id, None)
    place = facts.delivered
    facts.arrivals.append(Outcome(now, id, value, None, open_step.attempt))
    facts.delivered = machine.fed = place + 1
    facts.at = machine.at = now
    try:
        asked = machine.send(branch, known[1])
        if asked is not None and not (machine.ready or machine.wishes or machine.abandoned or run.lines):
            step, args = asked.step, asked.raw
            size = len(args)
            if size <= machine.shelf.large_bytes and not step.overall:
                machine.current = None
                id, name = f"{branch.path}{branch.ordinal}", step.name
                branch.ordinal += 1
                branch.waiting = fresh[id] = asked
                machine.waits[id] = branch, asked
                facts.length += 2
                asked.facts = steps[id] = OpenStep(name)
                asked.keys = facts.keys
                facts.script.append(Line(place + 1, "step", id, name, args if size <= KEY_BYTES else key_of(args)))
                return [done, StepScheduled(id, name, args)]
        run.stirred = True
        if asked is not None:
            ask_step(machine, branch, asked)
        machine.to_rest()
        wishes = machine.take_wishes()
    except NeedValue as need:
        raise needed(facts, place) from need
    except (Diverged, RecursionError) as error:
        wishes = [runs.suspended(run, error)]
    facts.length += 1
    return runs.with_what_follows(run, done, wishes, now)
