"""What each core type does: values, waits, and steps that hold steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from ..authoring.approvals import approval
from ..authoring.children import child
from ..authoring.driving import driver
from ..authoring.groups import timeout
from ..authoring.messages import wait_until
from ..authoring.values import Arguments, explained
from ..authoring.words import signal, sleep
from . import shapes
from .approving import policy_of
from .durations import duration_of
from .evaluating import Evaluated
from .finding import Wanted
from .model import ITEMS_MAX, StepSpec
from .plain import is_list
from .results import SKIPPED, Scope
from .shapes import all_inside, inner_lists
from .types import Unfit, limit_of
from .walking import Act, Side, Walk


class NotApproved(Exception):
    """An approval that is required was rejected, or nobody gave it in time."""


class LimitReached(Exception):
    """A loop goes on after as many rounds as it may have, or a map has more items than one may have."""


def _accepted(arguments: Arguments, given: list[Any] | dict[str, Any]) -> Raw:
    return arguments.accept(msgspec.json.encode(given))


def _as(shape: Any, answer: Evaluated, step: StepSpec) -> Any:
    """The config, its expressions evaluated, as the shape of its type."""
    try:
        return msgspec.convert(answer.config, shape)
    except msgspec.ValidationError as error:
        expected, found, where = explained(error, shape)
        raise Unfit(f"config of step {step.id!r}, {where}: expected {expected}, found {found}") from None


async def _set(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    return answer.config


async def _transform(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    return _as(shapes.Transform, answer, step).value


async def _log(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    line: shapes.Log = _as(shapes.Log, answer, step)
    driver("log").note(line.level, line.message, line.fields)


async def _delay(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    delay: shapes.Delay = _as(shapes.Delay, answer, step)
    await sleep(duration_of(delay.duration, f"step {step.id!r}, for"))


async def _branch(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    branch: shapes.Branch = walk.shape(step)
    taken = branch.cases[answer.chosen].steps if answer.chosen >= 0 else branch.otherwise
    for inner in inner_lists(step, branch):
        if inner.steps is not taken:
            scope.steps.update((one.id, SKIPPED) for one in all_inside(inner.steps))
    return await walk.through(taken, scope)


async def _parallel(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    parallel: shapes.Parallel = walk.shape(step)
    given: dict[str, Any] = dict.fromkeys(parallel.branches)

    async def one(name: str, steps: list[StepSpec]) -> None:
        given[name] = await walk.through(steps, scope)

    async with Side() as side:
        for name, steps in parallel.branches.items():
            side.start(one(name, steps), name)
    return given


async def _map(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    """A branch for each item, named by its place, so that it makes no difference to their ids which of them end first."""
    each: shapes.Map = walk.shape(step)
    items: object = answer.value
    if not is_list(items):
        raise Unfit(f"step {step.id!r}, over: expected a list, found {type(items).__name__}")
    count = len(items)
    if count > ITEMS_MAX:
        raise LimitReached(f"step {step.id!r} maps over {count} items, more than {ITEMS_MAX}: divide the list")
    given: list[Any] = [None] * count
    running = 0

    async def one(place: int, item: Any) -> None:
        nonlocal running
        given[place] = await walk.through(each.steps, scope.apart(**{each.named: item, "index": place}))
        running -= 1

    def there_is_room() -> bool:
        return running < each.concurrency

    async with Side() as side:
        for place in range(count):
            await wait_until(there_is_room)
            running += 1
            side.start(one(place, items[place]), str(place))
    return given


async def _loop(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    loop: shapes.Loop = walk.shape(step)
    inside = [one.id for one in all_inside(loop.steps)]
    given, last = None, dict[str, Any]()
    for index in range(loop.limit + 1):
        round_ = scope.within(round={"index": index, "last": last})
        if not await walk.holds(step, loop.condition, round_):
            return given
        if index < loop.limit:
            given = await walk.through(loop.steps, round_)
            last = {id: msgspec.to_builtins(scope.steps[id]) for id in inside if id in scope.steps}
    raise LimitReached(f"step {step.id!r} still goes on after {loop.limit} rounds, which is its limit")


async def _wait_for_signal(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    wait: shapes.WaitForSignal = _as(shapes.WaitForSignal, answer, step)
    limit = limit_of(step.timeout, step.id)
    if limit is None:
        return await signal(wait.name)
    async with timeout(limit):
        return await signal(wait.name)


async def _wait_for_approval(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    asks: shapes.WaitForApproval = _as(shapes.WaitForApproval, answer, step)
    name, policy = asks.name or step.id, None if asks.policy is None else policy_of(asks.policy, step.id)
    decision = await approval(name, show=asks.show, timeout=limit_of(step.timeout, step.id), policy=policy)
    if asks.required and not decision.approved:
        why = f": {decision.why}" if decision.why else ""
        raise NotApproved(f"{name!r} {decision.outcome}{f' by {decision.by}' if decision.by else ''}{why}")
    voices = [{"by": voice.by, "why": voice.why, "at": voice.at.isoformat()} for voice in decision.voices]
    told = {"outcome": decision.outcome, "by": decision.by, "why": decision.why, "at": decision.at.isoformat()}
    return told if asks.policy is None else {**told, "voices": voices}


async def _workflow(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    """As a child: code of the version that is the newest when the step begins, or a definition likewise."""
    call: shapes.Call = _as(shapes.Call, answer, step)
    whole = walk.interpreter
    version = 0 if isinstance(call.version, UnsetType) else call.version
    found = await whole.find(Wanted(call.workflow, call.definition, version, call.inputs, walk.depth))
    if found.bound is not None:
        return await child(whole.workflow, found.bound, found.inputs)
    flow = whole.registry.known_or_raise(call.workflow, found.version)
    args, named = flow.arguments.split(flow.arguments.decode(_accepted(flow.arguments, call.arguments)))
    return msgspec.to_builtins(await child(flow, *args, **named))


async def _python(walk: Walk, step: StepSpec, answer: Evaluated, scope: Scope) -> Any:
    asked: shapes.Python = _as(shapes.Python, answer, step)
    code = walk.interpreter.types.code_of(step, asked.step)
    args, named = code.arguments.split(code.arguments.decode(_accepted(code.arguments, asked.arguments)))
    return msgspec.to_builtins(await code(*args, **named))


ACTS: Mapping[str, Act] = {
    "set": _set,
    "transform": _transform,
    "log": _log,
    "delay": _delay,
    "branch": _branch,
    "parallel": _parallel,
    "map": _map,
    "loop": _loop,
    "wait_for_signal": _wait_for_signal,
    "wait_for_approval": _wait_for_approval,
    "wait_for_human": _wait_for_approval,
    "workflow": _workflow,
    "python": _python,
}
