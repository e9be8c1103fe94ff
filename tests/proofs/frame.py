"""A proof is a named program that measures figures; a claim holds if each of its bounds is met by a measured figure.

A claim without a program, a bound without a figure and a program that raises all count as FAIL: silence proves nothing.
"""

from __future__ import annotations

import importlib
import time
import tomllib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

HERE = Path(__file__).resolve().parent
BOUNDS = HERE / "bounds.toml"

Relation = Literal["equals", "at_least", "at_most"]
Figures = Mapping[str, float]


class Bound(NamedTuple):
    """What a figure has to be."""

    relation: Relation
    limit: float

    def met_by(self, figure: float) -> bool:
        match self.relation:
            case "equals":
                return figure == self.limit
            case "at_least":
                return figure >= self.limit
            case "at_most":
                return figure <= self.limit

    def __str__(self) -> str:
        return f"{ {'equals': '=', 'at_least': '>=', 'at_most': '<='}[self.relation] } {self.limit:,g}"


@dataclass(frozen=True)
class Proof:
    """A program that measures what a claim says."""

    name: str
    claim: str
    measure: Callable[[], Figures]


@dataclass(frozen=True)
class Line:
    """One figure of a claim, beside its bound."""

    name: str
    figure: float | None
    bound: Bound | None

    @property
    def holds(self) -> bool:
        return self.bound is None or (self.figure is not None and self.bound.met_by(self.figure))

    def as_data(self) -> dict[str, Any]:
        return {"figure": self.figure, "bound": str(self.bound) if self.bound else None, "holds": self.holds}


@dataclass(frozen=True)
class Verdict:
    """What became of a claim."""

    name: str
    claim: str
    lines: list[Line] = field(default_factory=list[Line])
    seconds: float = 0.0
    error: str = ""

    @property
    def holds(self) -> bool:
        return not self.error and any(line.bound for line in self.lines) and all(line.holds for line in self.lines)

    def as_data(self) -> dict[str, Any]:
        figures = {line.name: line.as_data() for line in self.lines}
        said = {"name": self.name, "claim": self.claim, "verdict": "PASS" if self.holds else "FAIL"}
        return {**said, "seconds": self.seconds, "figures": figures, "error": self.error}


registry: dict[str, Proof] = {}
"""Every proof that was declared, by name."""


def proof(name: str, claim: str) -> Callable[[Callable[[], Figures]], Callable[[], Figures]]:
    """Declare a proof: a function that takes nothing and returns its figures by the names of `bounds.toml`."""

    def declare(measure: Callable[[], Figures]) -> Callable[[], Figures]:
        if name in registry:
            raise ValueError(f"two proofs are called {name!r}: {registry[name].claim!r} and {claim!r}")
        registry[name] = Proof(name, claim, measure)
        return measure

    return declare


def discover() -> None:
    """Import every `claim_*.py` beside this file, so that its proofs are declared."""
    for path in sorted(HERE.glob("claim_*.py")):
        importlib.import_module(f"tests.proofs.{path.stem}")


def bounds(page: Path = BOUNDS) -> dict[str, dict[str, Bound]]:
    """The page of bounds: claim to figure to bound."""
    written: dict[str, dict[str, dict[str, float]]] = tomllib.loads(page.read_text(encoding="utf-8"))
    return {claim: {name: _bound(f"{claim}.{name}", entry) for name, entry in figures.items()} for claim, figures in written.items()}


def _bound(where: str, entry: dict[str, float]) -> Bound:
    relations: tuple[Relation, ...] = get_args(Relation)
    for relation in relations:
        if set(entry) == {relation}:
            return Bound(relation, entry[relation])
    raise ValueError(f"{where}: expected one of {', '.join(relations)}, found {entry}")


def examine(name: str, required: Mapping[str, Bound]) -> Verdict:
    """Run the proof called `name` and hold its figures to the bounds."""
    found = registry.get(name)
    if found is None:
        return Verdict(name, "no program proves this claim", _lines({}, required), error="no claim_*.py declares it")
    started, error = time.perf_counter(), ""
    figures: Figures = {}
    try:
        figures = found.measure()
    except Exception:  # a proof that breaks proves nothing, and the others are still wanted
        error = traceback.format_exc()
    return Verdict(name, found.claim, _lines(figures, required), time.perf_counter() - started, error)


def _lines(figures: Figures, required: Mapping[str, Bound]) -> list[Line]:
    """The bounded figures in the order of the page, then what else was measured."""
    names = [*required, *(name for name in figures if name not in required)]
    return [Line(name, figures.get(name), required.get(name)) for name in names]
