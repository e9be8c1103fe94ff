"""The types of steps that the engine itself knows, and what their `config` holds: waits, values, and steps that hold steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ..authoring.policies import AtEnd
from .durations import Duration
from .model import ITEMS_MAX, Expression, Handling, Id, StepSpec

Steps = Annotated[list[StepSpec], Meta(min_length=1)]


class Shape(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of a core type."""


class Log(Shape, frozen=True):
    """Writes a line into the log of the run."""

    message: str
    level: Literal["debug", "info", "warning", "error"] = "info"
    fields: dict[str, Any] = {}


class Transform(Shape, frozen=True):
    """Gives a value."""

    value: Any


class Delay(Shape, frozen=True, rename={"duration": "for"}):
    """Waits; the wait outlives the process."""

    duration: Duration


class Case(Shape, frozen=True):
    """Steps for one case of a branch."""

    when: Expression
    steps: Steps


class Branch(Shape, frozen=True, rename={"otherwise": "else"}):
    """The first case whose condition is true, or else `else`."""

    cases: Annotated[list[Case], Meta(min_length=1)]
    otherwise: list[StepSpec] = []


class Parallel(Shape, frozen=True):
    """Lists of steps side by side; it gives what each list gave, by its name."""

    branches: Annotated[dict[Id, Steps], Meta(min_length=1)]


class Map(Shape, frozen=True, rename={"named": "as"}):
    """The steps once for each item of a list, at most `concurrency` at a time; it gives the list of what they gave, in the items' order.

    Expressions inside may name the item, and `index`, which counts from 0.
    """

    over: Expression
    steps: Steps
    named: Id = "item"
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 10


class Loop(Shape, frozen=True, rename={"condition": "while"}):
    """The steps again and again while the condition is true, at most `limit` times; then the step fails.

    Expressions inside may name `round.index`, which counts from 0, and `round.last`: the results of the round before, by id.
    """

    condition: Expression
    limit: Annotated[int, Meta(ge=1, le=ITEMS_MAX)]
    steps: Steps


class WaitForSignal(Shape, frozen=True):
    """Waits for a signal to the run, for at most the `timeout` of the step; it gives the signal's value."""

    name: str


class EscalationShape(Shape, frozen=True):
    """From `after` on, counted from when it was asked, these may decide as well."""

    after: Duration
    users: list[str] = []
    roles: list[str] = []


class PolicyShape(Shape, frozen=True):
    """Who may decide, and how: `perdure.ApprovalPolicy` says what each field means."""

    users: list[str] = []
    roles: list[str] = []
    quorum: int = 1
    starter_may: bool = False
    escalation: list[EscalationShape] = []
    at_end: AtEnd = "expire"


class WaitForApproval(Shape, frozen=True):
    """Asks people, for at most the `timeout` of the step; it gives outcome, by, why, and the voices of all who approved.

    Unless `required` is false, the step fails where it is not approved. Without a `policy` anybody may decide, and one is enough.
    """

    name: str = ""
    """The id of the step, where it is empty."""
    show: Any = None
    required: bool = True
    policy: PolicyShape | None = None


class Call(Shape, frozen=True):
    """Runs another workflow as a child: one that is code, by `workflow` with `arguments`, or a saved definition with `inputs`."""

    workflow: str = ""
    arguments: list[Any] | dict[str, Any] = []
    definition: str = ""
    version: int | UnsetType = UNSET
    inputs: dict[str, Any] = {}


class Python(Shape, frozen=True):
    """Performs a step that is code, by its name, with its arguments in a list, or by their names."""

    step: str
    arguments: list[Any] | dict[str, Any] = {}


Config = Shape | dict[str, Any]

SHAPES: dict[str, type[Shape]] = {
    "log": Log,
    "transform": Transform,
    "delay": Delay,
    "branch": Branch,
    "parallel": Parallel,
    "map": Map,
    "loop": Loop,
    "wait_for_signal": WaitForSignal,
    "wait_for_approval": WaitForApproval,
    "wait_for_human": WaitForApproval,
    "workflow": Call,
    "python": Python,
}
"""`set` is not among them: its config is whatever names its author chooses."""

CORE = (*SHAPES, "set")

OWN = {"branch": ("cases", "else"), "parallel": ("branches",), "map": ("over", "steps"), "loop": ("while", "steps")}
"""The fields of a config that hold steps or expressions, and so no `${ … }` of the step itself."""

WAITS = frozenset({"wait_for_signal", "wait_for_approval", "wait_for_human"})
HOLDING = frozenset(OWN)
"""Types whose steps hold steps."""

ATTEMPTS_NONE = frozenset({*SHAPES, "set"} - {"python"})
"""Types that are not attempted, and so cannot be tried again."""


def shape_of(step: StepSpec) -> Any:
    """The config of a core type as its shape; raises msgspec.ValidationError where it does not fit."""
    return msgspec.convert(step.config, SHAPES[step.type])


def plain_config(step: StepSpec) -> dict[str, Any]:
    """The part of the config whose texts may hold expressions."""
    own = OWN.get(step.type, ())
    return {name: part for name, part in step.config.items() if name not in own}


class Inner(Struct, frozen=True):
    """A list of steps within a step, and what expressions in it may name besides."""

    path: str
    steps: list[StepSpec]
    names: tuple[str, ...] = ()
    seen_outside: bool = True
    """Whether the results of its steps can be named by steps that need the one around them."""


def inner_lists(step: StepSpec, shape: Any) -> Iterator[Inner]:
    """The lists of steps within a step; paths begin behind the path of the step."""
    match shape:
        case Branch(cases, otherwise):
            for place, case in enumerate(cases):
                yield Inner(f".config.cases[{place}].steps", case.steps)
            if otherwise:
                yield Inner(".config.else", otherwise)
        case Parallel(branches):
            for name, steps in branches.items():
                yield Inner(f".config.branches.{name}", steps)
        case Map(steps=steps, named=named):
            yield Inner(".config.steps", steps, (named, "index"), seen_outside=False)
        case Loop(steps=steps):
            yield Inner(".config.steps", steps, ("round",))
        case _:
            pass
    if isinstance(step.on_error, Handling):
        yield Inner(".on_error.steps", step.on_error.steps, ("error",))


def conditions(step: StepSpec, shape: Any) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(path behind the step, expression, names besides) of the expressions that a step is steered by, apart from `when`."""
    match shape:
        case Branch(cases):
            for place, case in enumerate(cases):
                yield f".config.cases[{place}].when", case.when, ()
        case Map(over=over):
            yield ".config.over", over, ()
        case Loop(condition=condition):
            yield ".config.while", condition, ("round",)
        case _:
            pass


def all_inside(steps: list[StepSpec]) -> Iterator[StepSpec]:
    """The steps of a list and of the lists within them, as far as their results are seen from outside."""
    for step in steps:
        yield step
        shape = shape_of(step) if step.type in HOLDING else None
        for inner in inner_lists(step, shape):
            if inner.seen_outside:
                yield from all_inside(inner.steps)
