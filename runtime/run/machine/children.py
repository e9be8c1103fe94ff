"""Children: how the code asks for one, or for the end of another run, and what it is given for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ....eventlog.errors import Diverged, Invalid
from ...authoring.children import ChildHandle
from ...authoring.effects import Attach, ChildCall, ChildResult
from ...authoring.errors import ChildError, Failure
from .. import events as ev
from ..child_ids import default_id
from ..state import Begun, Ended
from .branches import Branch
from .large import kept_or_named

if TYPE_CHECKING:
    from .driver import Machine

UNKNOWN = Failure("Unknown", "the run ended without saying why")


class Held:
    """A child that the code has a handle of."""

    __slots__ = ("call", "outcome", "run", "waiting")

    def __init__(self, call: ChildCall[Any], run: str) -> None:
        self.call = call
        self.run = run
        self.outcome: Ended | None = None
        self.waiting: dict[Branch, None] = {}
        """Branches that wait for its end, in the order of their asking."""


# -- asking ------------------------------------------------------------------------------------------------------------


def ask_child(machine: Machine, branch: Branch, effect: ChildCall[Any]) -> None:
    id = branch.next_id()
    known = effect.workflow
    run = effect.id or default_id(machine.run, id)
    machine.wait_for(id, branch, effect)
    args, blob = kept_or_named(machine, effect.raw, f"workflow {known.name!r}, arguments")
    machine.wishes.append(
        ev.ChildScheduled(id, run, known.name, known.version, args, effect.on_parent_end, bool(effect.id), effect.detached, blob)
    )


def ask_attach(machine: Machine, branch: Branch, effect: Attach[Any]) -> None:
    id = branch.next_id()
    machine.wait_for(id, branch, effect)
    machine.wishes.append(ev.AttachScheduled(id, effect.run))


def ask_result(machine: Machine, branch: Branch, effect: ChildResult[Any]) -> None:
    branch.next_id()
    held = machine.handles[effect.effect]
    if held.outcome is not None:
        _give(machine, branch, held.call, held.run, held.outcome)
        return
    branch.waiting = effect
    held.waiting[branch] = None


def abandon_result(machine: Machine, branch: Branch, effect: ChildResult[Any]) -> None:
    """The branch no longer waits; the child goes on."""
    del machine.handles[effect.effect].waiting[branch]


# -- arriving ----------------------------------------------------------------------------------------------------------


def begun(machine: Machine, arrival: Begun) -> None:
    wait = machine.waits.pop(arrival.id, None)
    if wait is None:
        return
    branch, effect = wait
    run = effect.id or default_id(machine.run, arrival.id)
    machine.handles = machine.handles or {}
    machine.handles[arrival.id] = Held(effect, run)
    machine.resume(branch, ChildHandle(run, arrival.id))


def ended(machine: Machine, arrival: Ended) -> None:
    if arrival.blob is not None:
        arrival = replace(arrival, value=machine.content(arrival.value, arrival.blob), blob=None)
    held = machine.handles.get(arrival.id)
    if held is not None:
        held.outcome = arrival
        for branch in held.waiting:
            _give(machine, branch, held.call, held.run, arrival)
        held.waiting.clear()
        return
    wait = machine.waits.pop(arrival.id, None)
    if wait is None:
        return
    branch, effect = wait
    run = effect.run if isinstance(effect, Attach) else effect.id or default_id(machine.run, arrival.id)
    _give(machine, branch, effect, run, arrival)  # pyright: ignore[reportUnknownArgumentType] # an Attach of anything


def _give(machine: Machine, branch: Branch, effect: ChildCall[Any] | Attach[Any], run: str, outcome: Ended) -> None:
    """Let the branch go on with the result, decoded as its annotation says, or with the failure."""
    if outcome.status != "completed":
        machine.resume(branch, None, ChildError(run, outcome.status, outcome.error or UNKNOWN))
        return
    try:
        if isinstance(effect, Attach):
            machine.resume(branch, effect.shape.decode(outcome.value))
        else:
            machine.resume(branch, effect.workflow.returns.decode(outcome.value))
    except Invalid as unfit:
        if isinstance(effect, Attach):
            machine.resume(branch, None, unfit)
            return
        raise Diverged(unfit.message, who=f"run {machine.run!r}, {unfit.who}", where=f"{outcome.id} {unfit.where}", expected=unfit.expected,
                       found=unfit.found, instead=unfit.instead) from unfit


ASKS: Mapping[type, Callable[[Any, Branch, Any], None]] = {ChildCall: ask_child, Attach: ask_attach, ChildResult: ask_result}
