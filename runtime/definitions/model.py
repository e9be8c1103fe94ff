"""What a definition is, as data: its inputs, its steps, and what it gives.

The field names are what users write in YAML or JSON, and what the log of each run keeps: they are for ever, and new ones have defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .durations import Duration

ID = r"^[A-Za-z_][A-Za-z0-9_]{0,59}$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$"

Id = Annotated[str, Meta(pattern=ID, description="A name that expressions can use: letters, digits and '_', at most 60.")]
Expression = Annotated[str, Meta(min_length=1, max_length=4000, description="An expression in CEL, without ${ }.")]

STEPS_MAX = 1000
"""In one definition, those inside other steps included."""

DEPTH_MAX = 12
"""Lists of steps within each other."""

ITEMS_MAX = 10_000
"""Items of one map, and rounds of one loop."""


class RetrySpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`attempts` in all; the n-th pause is `first * factor ** (n - 1)`, at most `longest`, shortened by up to `jitter` of itself."""

    attempts: Annotated[int, Meta(ge=1, le=1000)] = 3
    first: Duration = 5
    factor: Annotated[float, Meta(ge=1)] = 2.0
    longest: Duration = "1h"
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.1


class Handling(Struct, frozen=True, forbid_unknown_fields=True):
    """Steps that are run where a step has failed; then the run goes on. Their expressions may name `error`."""

    steps: list[StepSpec]


OnError: TypeAlias = Literal["fail", "continue"] | Handling


class StepSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step. `type` says what it does, `config` how; strings in `config` may hold `${ expression }`."""

    id: Id
    type: Annotated[str, Meta(min_length=1, max_length=60)]
    name: str = ""
    """For people."""
    config: dict[str, Any] = {}
    when: Expression | UnsetType = UNSET
    """Only where this is true; else the step is skipped, and gives null."""
    needs: list[str] | UnsetType = UNSET
    """The steps of the same list that must have ended before. Without it: the one before in the list. `[]`: none."""
    retry: RetrySpec | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    """Of one attempt; of a wait; of all that is inside a step that holds steps."""
    on_error: OnError = "fail"


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input. Without a `default` it must be given."""

    type: Literal["string", "integer", "number", "boolean", "object", "array", "any"] = "any"
    description: str = ""
    default: Any | UnsetType = UNSET
    enum: list[Any] = []


class Definition(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A workflow as data."""

    name: Annotated[str, Meta(pattern=NAME, description="Letters, digits, '_', '.' and '-', at most 80.")]
    steps: Annotated[list[StepSpec], Meta(min_length=1)]
    description: str = ""
    inputs: dict[Id, InputSpec] = {}
    output: Any = UNSET
    """What the run gives, with `${ … }` in its strings; without it, what the last step gave."""
    tags: list[str] = []


class Reads(Struct, frozen=True, omit_defaults=True):
    """What the expressions at one place name: results of steps, and other variables."""

    steps: list[str] = []
    names: list[str] = []


class Bound(Struct, frozen=True, omit_defaults=True):
    """What a run is bound to, recorded as its first argument: the definition, and what was found out of its expressions at the start.

    The code that drives a run again takes from here what is evaluated where, so another reading of expressions by a later release
    cannot change a run that has begun.
    """

    definition: Definition
    reads: dict[str, Reads] = {}
    """By the place in the definition; a place without expressions is not there."""
    version: int = 0
    """0 where it was not saved."""
    digest: str = ""
    depth: int = 0
    """How many runs of definitions called each other until this one began."""


def canonical(definition: Definition) -> bytes:
    """The one form in which a definition is kept and compared."""
    return msgspec.json.encode(definition, order="deterministic")


def schema() -> dict[str, Any]:
    """JSON Schema of a definition."""
    return msgspec.json.schema(Definition)
