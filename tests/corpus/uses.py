"""What the code of a case uses: the words in its workflows and in the steps that these call, and the rules of the steps."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any, get_args

from perdure.runtime.authoring.rules import Rules
from perdure.runtime.authoring.steps import Step
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus.case import Case
from tests.corpus.script import Kind, Opening

PLAIN = Rules()
KINDS: tuple[str, ...] = get_args(Kind)


def uses(case: Case) -> set[str]:
    """Names that its code speaks, `step(option)` for each rule of its steps, and what is done to its runs from outside."""
    used = {message.kind for message in case.messages} | {f"start({given})" for given in _given(case.opening, Opening())}
    for workflow in (case.workflow, *case.also):
        used |= _words(workflow.function)
    return used


def _words(function: Any, seen: frozenset[Any] = frozenset()) -> set[str]:
    """What a function says, and what the functions, steps and workflows of the corpus say that it calls."""
    if function in seen:
        return set()
    seen |= {function}
    said = {name for code in _codes(function.__code__) for name in code.co_names}
    for found in [*_reached(function, said)]:
        if isinstance(found, Step):
            said |= {f"step({rule})" for rule in _given(found.rules, PLAIN)} | _words(found.function, seen)
        elif isinstance(found, Workflow):
            said |= _words(found.function, seen)
        elif getattr(found, "__module__", "").startswith("tests.corpus") and hasattr(found, "__code__"):
            said |= _words(found, seen)
    return said


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _reached(function: Any, names: set[str]) -> Iterator[Any]:
    """What the names mean where the function is defined; of modules of the corpus, what it takes out of them."""
    for name in names:
        found = function.__globals__.get(name)
        if isinstance(found, ModuleType) and found.__name__.startswith("tests.corpus"):
            yield from (getattr(found, inside) for inside in names if hasattr(found, inside))
        elif found is not None:
            yield found


def _given(options: Any, default: Any) -> Iterator[str]:
    """The fields of a Struct that are not as in `default`; of a retry policy and a limit also what these say."""
    for name in options.__struct_fields__:
        given = getattr(options, name)
        if given != getattr(default, name):
            yield name
            if hasattr(given, "__struct_fields__"):
                inner = getattr(default, name)
                yield from (f"{name}.{part}" for part in given.__struct_fields__ if getattr(given, part) != getattr(inner, part, None))
