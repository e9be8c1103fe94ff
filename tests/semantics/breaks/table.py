"""The table of planted breaks: each breaks one rule in the real code, and names the test of that rule which must then fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
RULES = HERE.parent

Plant = Callable[[], AbstractContextManager[Any]]


class Break(NamedTuple):
    """`test`: the file and the function that must fail while `plant` is entered."""

    name: str
    test: str
    plant: Plant

    @property
    def rule(self) -> int:
        """The rule that is broken."""
        return int(self.name.partition("-")[0])

    @property
    def file(self) -> str:
        return self.test.partition("::")[0]


BREAKS: dict[str, Break] = {}
"""By the number of the rule; where a rule has two halves, the second as `13-clock`."""


def breaks(name: str, test: str) -> Callable[[Plant], Plant]:
    """Declare a break of the rule of this number."""

    def declare(plant: Plant) -> Plant:
        if name in BREAKS:
            raise ValueError(f"two breaks are called {name!r}")
        BREAKS[name] = Break(name, test, plant)
        return plant

    return declare


def discover() -> dict[str, Break]:
    """Every break, in the order of the rules."""
    for path in sorted(HERE.glob("of_*.py")):
        import_module(f"tests.semantics.breaks.{path.stem}")
    return dict(sorted(BREAKS.items(), key=lambda item: (item[1].rule, item[0])))
