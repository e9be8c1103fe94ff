"""How groups of branches begin, end and are cancelled.

Cancellation is an edge: `Cancelled` is raised once at what a branch awaits now; a branch that waits for a group sees it
when the group's members, cancelled first and in the order of their paths, have ended.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ....eventlog.errors import Invalid
from ...authoring.effects import CloseScope, Effect, JoinGroup, JoinTask, OpenGroup, Together
from ...authoring.errors import Cancelled
from ...authoring.given import must_be_text
from ...authoring.groups import First
from . import signals
from .branches import Branch, Group

if TYPE_CHECKING:
    from .driver import Machine

NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


# -- beginning ---------------------------------------------------------------------------------------------------------


def ask_together(machine: Machine, branch: Branch, effect: Together[Any]) -> None:
    group = Group(branch.next_id(), branch, first=effect.first, keep_errors=effect.keep_errors)
    group.joining = True
    branch.waiting = group
    for place, work in enumerate(effect.work):
        add(machine, group, work, str(place))
    if not group.members:
        machine.resume(branch, ())


def ask_group(machine: Machine, branch: Branch, effect: OpenGroup) -> None:
    machine.resume(branch, Group(branch.next_id(), branch, open=True))


def start(machine: Machine, group: Group, work: Awaitable[Any], name: str | None) -> Branch:
    """Begin a branch of a task group."""
    if group.joining and not group.left:
        if inspect.iscoroutine(work):
            work.close()
        raise Invalid(
            "a task_group that has ended takes no more branches",
            who=f"task_group {group.id}",
            where="start",
            expected="a call before the end of its block",
            found="one behind it",
            instead="start it inside the block of the group, or open another group",
        )
    name = str(len(group.members)) if name is None else name
    must_be_text(name, f"task_group {group.id}", "name", "parcels")
    if not NAME.fullmatch(name) or name in group.names:
        raise Invalid(
            "a branch needs a name of its own",
            who=f"task_group {group.id}",
            where="name",
            expected="letters, digits, '_' and '-', at most 60, not used yet",
            found=repr(name),
            instead="choose another name, or leave it out",
        )
    branch = add(machine, group, work, name)
    if group.failing:
        cancel(machine, branch, Cancelled())
    return branch


def add(machine: Machine, group: Group, work: Awaitable[Any], name: str) -> Branch:
    group.names.add(name)
    path, place = f"{group.id}.{name}/", len(group.members)
    group.left += 1
    if isinstance(work, Effect):
        leaf = Branch(path, None, group.parent.context, group, place)
        group.members.append(leaf)
        machine.ask(leaf, work)
        return leaf
    coroutine = work if inspect.iscoroutine(work) else _awaiting(work)
    branch = Branch(path, coroutine, group.parent.context.copy(), group, place)
    group.members.append(branch)
    machine.alive[branch] = None
    machine.ready.append((branch, None, None))
    return branch


async def _awaiting(work: Awaitable[Any]) -> Any:
    return await work


# -- ending ------------------------------------------------------------------------------------------------------------


def ask_join(machine: Machine, branch: Branch, effect: JoinGroup) -> None:
    group: Group = effect.group
    outer = branch.pending if branch.pending is not None and branch.pending.source is not group else None
    branch.pending = None
    group.joining = True
    branch.waiting = group
    if effect.cancel:
        _cancel_members(machine, group)
    if outer is not None:
        cancel(machine, branch, outer)
    if not group.left:
        _finish(machine, group)


def ask_task(machine: Machine, branch: Branch, effect: JoinTask) -> None:
    awaited: Branch = effect.branch
    if awaited.ended:
        machine.resume(branch, awaited.value, awaited.error)
    else:
        branch.waiting = effect
        awaited.joiners.append(branch)


def ended(machine: Machine, group: Group, member: Branch) -> None:
    """A member has ended: the others may have to, and the parent may go on."""
    group.left -= 1
    decides = group.first or (member.error is not None and not group.keep_errors)
    if decides and group.winner is None and group.cancel is None and not group.failing:
        group.winner = member
        _cancel_members(machine, group)
        if not group.joining:
            cancel(machine, group.parent, Cancelled(group))
    if not group.left and group.joining:
        _finish(machine, group)


def decided_by(group: Group, taken: Any) -> None:
    """A signal decides a race: until the parent goes on with that, it can be given back."""
    if group.first and group.winner is None and group.cancel is None and not group.failing:
        group.taken = taken


def _finish(machine: Machine, group: Group) -> None:
    parent = group.parent
    if parent.waiting is not group:
        return
    winner = group.winner
    if group.cancel is not None:
        if group.taken is not None:
            signals.put_back(machine, *group.taken)
        machine.resume(parent, None, group.cancel)
    elif winner is not None and group.first:
        if group.taken is not None:
            machine.given = machine.given or {}
            machine.given[parent] = group.taken
        machine.resume(parent, First(winner.place, winner.value), winner.error)
    elif winner is not None and not group.open:
        machine.resume(parent, None, winner.error)
    else:
        machine.resume(parent, tuple(member.value if member.error is None else member.error for member in group.members))


# -- cancelling --------------------------------------------------------------------------------------------------------


def cancel(machine: Machine, branch: Branch, error: Cancelled) -> None:
    """Raise `error` at what the branch awaits; if that is nothing, or a group that is being cancelled already, at its next await."""
    waiting = branch.waiting
    if branch.ended:
        return
    if waiting is None and signals.give_back(machine, branch):
        machine.resume(branch, None, error)
    elif waiting is None or (isinstance(waiting, Group) and waiting.cancel is not None):
        branch.pending = branch.pending or error
    elif isinstance(waiting, Group):
        waiting.cancel = error
        _cancel_members(machine, waiting)
    elif isinstance(waiting, JoinTask):
        waiting.branch.joiners.remove(branch)
        machine.resume(branch, None, error)
    elif machine.abandon(branch):
        machine.resume(branch, None, error)


def _cancel_members(machine: Machine, group: Group) -> None:
    if group.failing:
        return
    group.failing = True
    for member in tuple(group.members):
        cancel(machine, member, Cancelled())


def interrupts(branch: Branch, effect: Effect[Any]) -> bool:
    """Whether a pending cancellation strikes at this await: leaving a block is never interrupted."""
    return not isinstance(effect, CloseScope | JoinGroup)


ASKS: Mapping[type, Callable[[Any, Branch, Any], None]] = {
    Together: ask_together,
    OpenGroup: ask_group,
    JoinGroup: ask_join,
    JoinTask: ask_task,
}
