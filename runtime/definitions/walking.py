"""Walking through a definition: each step begins when those that it needs have ended, and what it gave is kept for those behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from msgspec import UnsetType

from ..authoring.groups import TaskGroup, task_group, timeout
from ..authoring.steps import Step
from ..authoring.workflows import Registry, Workflow
from . import shapes
from .evaluating import Evaluated, Question, evaluate
from .finding import Found, Wanted
from .model import Bound, Handling, StepSpec
from .results import SKIPPED, Result, Scope, error_as_data, note_step
from .shapes import HOLDING, all_inside, plain_config, shape_of
from .types import Types, limit_of

OUTPUT = "/output"
"""The place of the definition's own output in `Bound.reads`, beside the ids of steps."""


def while_of(id: str) -> str:
    """The place of a loop's condition in `Bound.reads`."""
    return f"{id}/while"


class Interpreting(Protocol):
    """What all walks have in common."""

    types: Types
    find: Step[[Wanted], Found]
    registry: Registry
    workflow: Workflow[[Bound, dict[str, Any]], Any]
    acts: Mapping[str, Act]


class Walk:
    """One run's way through its definition."""

    def __init__(self, interpreter: Interpreting, bound: Bound) -> None:
        self.interpreter = interpreter
        self.depth = bound.depth
        self._reads = bound.reads
        self._shapes: dict[str, Any] = {}
        self._under_way: dict[str, None] = {}

    def told(self, scope: Scope) -> dict[str, str]:
        """How the steps stand that have begun, by their ids."""
        return {id: result.status for id, result in scope.steps.items()} | dict.fromkeys(self._under_way, "running")

    async def through(self, steps: list[StepSpec], scope: Scope) -> Any:
        """A list of steps: each begins when those that it needs have ended. What the last in the list gave."""
        waiting = dict(needs_of(steps))
        followers: dict[str, list[StepSpec]] = {step.id: [] for step in steps}
        for step in steps:
            for needed in waiting[step.id]:
                followers[needed].append(step)

        async def one(step: StepSpec) -> None:
            await self._one(step, scope)
            for follower in followers[step.id]:
                waiting[follower.id].remove(step.id)
                if not waiting[follower.id]:
                    side.start(one(follower), follower.id)

        async with Side() as side:
            for step in steps:
                if not waiting[step.id]:
                    side.start(one(step), step.id)
        return scope.steps[steps[-1].id].output if steps else None

    async def _one(self, step: StepSpec, scope: Scope) -> None:
        self._under_way[step.id] = None
        try:
            scope.steps[step.id] = await self._result(step, scope)
        except Exception as error:
            if step.on_error == "fail":
                note_step(error, step)
                raise
            data = error_as_data(error)
            scope.steps[step.id] = Result("failed", None, data)
            if isinstance(step.on_error, Handling):
                scope.steps[step.id] = Result("failed", await self.through(step.on_error.steps, scope.within(error=data)), data)
        finally:
            self._under_way.pop(step.id, None)

    async def _result(self, step: StepSpec, scope: Scope) -> Result:
        answer = await self._evaluated(step, scope)
        if not answer.when:
            scope.steps.update((inner.id, SKIPPED) for inner in all_inside([step]))
            return SKIPPED
        act = self.interpreter.acts.get(step.type)
        if act is None:
            return Result("completed", await self.interpreter.types.step_of(step)(answer.config))
        limit = None if step.type in shapes.WAITS or step.type == "python" else limit_of(step.timeout, step.id)
        if limit is None:
            return Result("completed", await act(self, step, answer, scope))
        async with timeout(limit):
            return Result("completed", await act(self, step, answer, scope))

    async def _evaluated(self, step: StepSpec, scope: Scope) -> Evaluated:
        reads = self._reads.get(step.id)
        config = plain_config(step)
        if reads is None:
            return Evaluated(config=config)
        match self.shape(step):
            case shapes.Branch(cases):
                steering: dict[str, Any] = {"cases": [case.when for case in cases]}
            case shapes.Map(over=over):
                steering = {"value": over}
            case _:
                steering = {}
        when = "" if isinstance(step.when, UnsetType) else step.when
        return await evaluate(Question(scope=scope.view(reads), when=when, config=config, **steering))

    async def holds(self, step: StepSpec, condition: str, scope: Scope) -> bool:
        """Whether the condition of a loop is true now."""
        return (await evaluate(Question(scope=scope.view(self._reads[while_of(step.id)]), when=condition))).when

    def shape(self, step: StepSpec) -> Any:
        """The config of a core type as it is written; None for the others."""
        if step.id not in self._shapes:
            self._shapes[step.id] = shape_of(step) if step.type in HOLDING else None
        return self._shapes[step.id]


class Side:
    """Branches side by side; where one fails, the others are cancelled, and its error is raised as it is."""

    def __init__(self) -> None:
        self._group: TaskGroup = task_group()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    def start(self, work: Awaitable[Any], name: str) -> None:
        self._group.start(work, name=name)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._group.__aexit__(kind, error, trace)
        except ExceptionGroup as several:
            raise several.exceptions[0] from None


def needs_of(steps: list[StepSpec]) -> Iterator[tuple[str, list[str]]]:
    """(step, the steps that it waits for), by their ids: without `needs` it is the one before."""
    before: list[str] = []
    for step in steps:
        yield step.id, list(before) if isinstance(step.needs, UnsetType) else list(dict.fromkeys(step.needs))
        before = [step.id]


Act = Callable[[Walk, StepSpec, Evaluated, Scope], Awaitable[Any]]
"""What a core type does; gives what the step gives."""
