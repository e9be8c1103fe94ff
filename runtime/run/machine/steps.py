"""How the code asks for a step, and what it is given for its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....eventlog.errors import Diverged, Invalid
from ...authoring.effects import StepCall
from ...authoring.errors import raised
from .. import events as ev
from ..state import Outcome
from .branches import Branch
from .large import kept_arguments

if TYPE_CHECKING:
    from .driver import Machine


def ask_step(machine: Machine, branch: Branch, effect: StepCall[Any]) -> None:
    id = f"{branch.path}{branch.ordinal}"
    branch.ordinal += 1
    branch.waiting = effect
    machine.waits[id] = (branch, effect)
    machine.fresh[id] = effect
    overall = effect.step.overall
    args, blob = effect.raw, None
    if len(args) > machine.shelf.large_bytes:
        args, blob, machine.fresh[id] = kept_arguments(machine, effect)
    machine.wishes.append(ev.StepScheduled(id, effect.step.name, args, machine.time() + overall if overall else 0, blob))


def arrived(machine: Machine, arrival: Outcome) -> None:
    wait = machine.waits.pop(arrival.id, None)
    if wait is None:
        return
    branch, effect = wait
    machine.fresh.pop(arrival.id, None)
    if arrival.artifacts:
        machine.artifacts = machine.artifacts or {}
        machine.artifacts.update((stored.name, stored) for stored in arrival.artifacts)
    known = effect.outcome
    if known is not None and known[0] is (arrival.value if arrival.blob is None else arrival.blob):
        _hand(machine, branch, known[1])
        return
    if arrival.given:
        machine.dropped.append(arrival.id)
    if arrival.error is not None:
        machine.resume(branch, None, raised(effect.step.name, arrival.error, effect.step.raises))
        return
    try:
        value = effect.step.returns.decode(machine.content(arrival.value, arrival.blob))
    except Invalid as unfit:
        raise Diverged(
            unfit.message,
            who=f"run {machine.run!r}, {unfit.who}",
            where=f"{arrival.id} {unfit.where}",
            expected=unfit.expected,
            found=unfit.found,
            instead=unfit.instead,
        ) from unfit
    _hand(machine, branch, value)


def _hand(machine: Machine, branch: Branch, value: Any) -> None:
    if (step := machine.send(branch, value)) is not None:
        ask_step(machine, branch, step)
