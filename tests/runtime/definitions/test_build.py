"""The build of the interpreter: a suspended run is tried again once any of the code is another that it is driven with."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from perdure.runtime.definitions import acts, durations, interpreter, model, results, shapes, walking
from perdure.runtime.definitions.finding import Found, Wanted
from perdure.runtime.definitions.interpreter import DRIVEN, Interpreter
from perdure.runtime.definitions.types import Types
from tests.house import tree

NOT_DRIVEN = {
    "checking", "comparing", "configs", "converting", "expressions", "faults", "interpreter", "keeping", "naming", "reading", "replaying",
    "syntax", "templates", "weighing",
}  # fmt: skip
"""What is done before a run begins or in its steps, and the interpreter's own module."""


async def find(wanted: Wanted) -> Found:
    return Found()


def build() -> str:
    return Interpreter(Types(), find).workflow.build


def test_it_is_the_same_for_the_same_code() -> None:
    assert build() == build()


async def _another(self: Any, bound: model.Bound, inputs: dict[str, Any]) -> Any:
    return None


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (interpreter.Interpreter, "_interpret"), (walking.Walk, "_one"), (walking, "needs_of"), (acts, "_map"), (results.Scope, "view"),
        (durations, "duration_of"), (shapes, "plain_config"), (model, "ITEMS_MAX"),
    ],
)  # fmt: skip
def test_it_is_another_for_other_code(where: ModuleType | type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build()
    other: Any = 7
    if not isinstance(vars(where)[name], int):
        other = _another
        monkeypatch.setattr(other, "__module__", getattr(where, "__module__", where.__name__))
    monkeypatch.setattr(where, name, other)

    assert build() != before


def test_every_module_is_driven_or_known_not_to_be() -> None:
    folder = tree.ROOT / "runtime" / "definitions"
    found = {path.stem for path in folder.glob("*.py")} - {"__init__"}

    assert {module.__name__.rpartition(".")[2] for module in DRIVEN} == found - NOT_DRIVEN
