"""The step that evaluates: the one place where expressions of a run become values, which its log then keeps."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..authoring.errors import Fatal
from ..authoring.steps import step
from . import expressions
from .templates import filled


class Question(Struct, frozen=True, omit_defaults=True):
    """What is to be evaluated, with all that its expressions name."""

    scope: dict[str, Any] = {}
    when: str = ""
    """A condition; where it is false nothing else is evaluated. Empty for none."""
    cases: list[str] = []
    """Conditions of which the first that is true is wanted."""
    value: str = ""
    """An expression whose value is wanted."""
    config: Any = None
    """A value whose texts may hold expressions."""


class Evaluated(Struct, frozen=True, omit_defaults=True):
    """What it gave. `chosen`: the place of the first case that is true, -1 where none is."""

    when: bool = True
    chosen: int = -1
    value: Any = None
    config: Any = None


class ExpressionFailed(Fatal):
    """An expression gave no value."""


@step(name="perdure.evaluate")
async def evaluate(question: Question) -> Evaluated:
    """What a question's expressions give, by the values that it brings along; Fatal where one gives nothing."""
    scope = question.scope

    def value_of(source: str) -> Any:
        return expressions.evaluate(source, scope)

    def holds(source: str) -> bool:
        return expressions.truth(value_of(source), source)

    try:
        if question.when and not holds(question.when):
            return Evaluated(when=False)
        chosen = next((place for place, case in enumerate(question.cases) if holds(case)), -1)
        value = value_of(question.value) if question.value else None
        return Evaluated(chosen=chosen, value=value, config=filled(question.config, value_of))
    except expressions.Fails as fails:
        raise ExpressionFailed(str(fails)) from None
