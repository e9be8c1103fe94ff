"""What a turn of a run leads to outside, beside the steps that begin: what is said, carried, waited for, and no longer wanted."""

from __future__ import annotations

from ..authoring.workflows import Registry
from .errands import errands_of, has_errands
from .live import Run
from .machine.driver import Machine
from .performing import Performing, standing_of
from .state import NEVER, RunState


def settle(performing: Performing, registry: Registry, stream: str, run: Run) -> bool:
    """What is done before any step begins; whether steps are to begin."""
    facts, machine = run.facts, run.machine
    if run.lines or facts.updates:
        performing.said(run.lines)
        performing.updated(stream, facts.updates)
    if (facts.starting or facts.leaving or facts.telling or facts.watchers or facts.notices) and has_errands(facts):
        performing.carry(stream, errands_of(stream, facts))
    if facts.removing and not facts.away:
        performing.remove(stream, facts.removing)
    if facts.phase != "running":
        _stand(performing, registry, stream, run)
        return False
    if machine is not None and (run.leftover or machine.dropped or run.replaced is not None):
        _leave(performing, stream, run)
    return True


def wait(performing: Performing, stream: str, run: Run, machine: Machine) -> None:
    """See to it that what has its time happens then."""
    facts = run.facts
    if facts.retries:
        _retry(performing, stream, facts, machine)
    if run.dues and (timer := run.next_timer()) != NEVER:
        performing.wake_at(stream, timer)
    if facts.deadline:
        performing.wake_at(stream, facts.deadline)


def _stand(performing: Performing, registry: Registry, stream: str, run: Run) -> None:
    """Nothing new begins: the run has ended, or is delayed, paused or suspended."""
    ended = run.facts.ended or bool(run.facts.away)
    if ended and run.machine is not None:
        run.leftover += run.machine.waits
    _leave(performing, stream, run)
    if ended:
        performing.ended(stream, standing_of(run.facts, run.facts.length))
        return
    if run.facts.phase == "paused" and run.facts.steps:
        _take_back(performing, stream, run)
    due = run.next_due()
    if run.waits_for_a_build():
        performing.rest_until(stream, due)
    elif due or (due == 0 and registry.find(run.facts.workflow, run.facts.version) is not None):
        performing.wake_at(stream, due)


def _take_back(performing: Performing, stream: str, run: Run) -> None:
    """Attempts that have not begun yet begin after Resume."""
    held = performing.hold(stream, [id for id, step in run.facts.steps.items() if step.begun is None])
    if run.machine is not None:
        run.machine.fresh |= {id: call for id, call in held.items() if id in run.machine.waits}


def _leave(performing: Performing, stream: str, run: Run) -> None:
    """Cancel what is no longer wanted, and tell those who waited for a run whose place another took."""
    for id in run.leftover:
        performing.cancel(stream, id)
    run.leftover.clear()
    if run.machine is not None:
        for id in run.machine.dropped:
            performing.cancel(stream, id)
        run.machine.dropped.clear()
    if run.replaced is not None:
        performing.ended(stream, run.replaced)
        run.replaced = None


def _retry(performing: Performing, stream: str, facts: RunState, machine: Machine) -> None:
    """Start the attempts whose time has come, and ask to be woken for the next."""
    now, coming = performing.time(), NEVER
    for id, due in facts.retries.items():
        if due <= now:
            performing.start_again(stream, id, facts.steps[id].attempt, machine.waits[id][1])
        else:
            coming = min(coming, due)
    if coming != NEVER:
        performing.wake_at(stream, coming)
