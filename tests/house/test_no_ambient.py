"""Law 3 and the ports: below the adapters nothing reads a clock, draws, opens, starts a thread or leans on the order of a set."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house import tree
from tests.house.ambient import findings

ALLOWED: dict[str, dict[str, str]] = {
    "actors/activation.py": {"gc": "the collector rests while a batch of actors is folded"},
    "actors/deadlines.py": {"anyio.current_time": "the deadline of an answer is kept in the loop's time"},
    "actors/dispatcher.py": {"anyio.sleep": "backs off from a carrier that is away, by the loop's clock"},
    "actors/fetching.py": {"anyio.sleep": "backs off from blobs that are away, by the loop's clock"},
    "runtime/run/machine/shell.py": {
        "asyncio": "unsets the running loop while workflow code is driven",
        "trio": "the same for the other loop",
        "sys": "sees whether trio is loaded",
    },
    "runtime/authoring/steps.py": {"sqlite3": "names, for type checkers alone, what a transactional step is given"},
    "runtime/inspect/checking/auditing.py": {"sys": "puts an audit hook in, where a setting asks for it"},
    "runtime/inspect/checking/watching.py": {"sys": "is told of calls by Python", "random": "knows the chance that all share by sight"},
    "runtime/perform/": {
        "anyio.sleep": "naps between sweeps, by the loop's clock",
        "anyio.current_time": "the deadline of a step's scope is written in the loop's time",
    },
    "eventlog/faults.py": {"anyio.sleep": "an answer comes late on purpose, by the loop's clock"},
    "runtime/testing/": {
        "trio": "the simulation runs on trio's virtual clock",
        "Random": "everything is drawn from the simulation's seed",
        "anyio.run": "a simulation brings its own loop",
        "anyio.sleep": "waits in virtual time",
        "anyio.current_time": "the virtual clock is the loop's",
    },
}
"""Module, or folder with a slash, to what it may use and why. A line that is not needed any more is a failure too."""

CORE = [pytest.param(path, id=tree.name(path)) for path in tree.modules("eventlog", "actors", "runtime")]


def _allowed(module: str) -> dict[str, str]:
    return {what: why for place, reasons in ALLOWED.items() if module == place or _inside(module, place) for what, why in reasons.items()}


def _inside(module: str, place: str) -> bool:
    return place.endswith("/") and module.startswith(place)


@pytest.mark.parametrize("path", CORE)
def test_the_core_leans_on_nothing_around_it(path: Path) -> None:
    allowed = _allowed(tree.name(path))

    assert [f"{tree.name(path)}:{found.line} {found.what}" for found in findings(tree.parse(path)) if found.what not in allowed] == []


@pytest.mark.parametrize("place", sorted(ALLOWED))
def test_an_allowance_is_given_only_where_it_is_used(place: str) -> None:
    inside = [path for path in tree.modules("eventlog", "actors", "runtime") if tree.name(path) == place or _inside(tree.name(path), place)]
    used = {found.what for path in inside for found in findings(tree.parse(path))}

    assert set(ALLOWED[place]) <= used


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import time", ["time"]),
        ("from asyncio import sleep", ["asyncio"]),
        ("import datetime\ndatetime.datetime.now()", ["datetime.now"]),
        ("from datetime import datetime\ndatetime.now()", ["datetime.now"]),
        ("import anyio\nanyio.to_thread.run_sync(f)", ["anyio.to_thread"]),
        ("from anyio import current_time", ["anyio.current_time"]),
        ("from anyio import to_thread", ["anyio.to_thread"]),
        ("import anyio\nasync def f(): await anyio.sleep(1)", ["anyio.sleep"]),
        ("from uuid import UUID, uuid4", ["uuid"]),
        ("from random import Random\ndice = Random()", ["Random"]),
        ("open('x')", ["open"]),
        ("key = hash(name)", ["hash"]),
        ("for x in {1, 2}: pass", ["order of {1, 2}"]),
        ("seen: set[str] = set()\nfirst = [x for x in seen]", ["order of seen"]),
        ("class A:\n  def __init__(self): self.ready = set()\n  def go(self): return list(self.ready)", ["order of self.ready"]),
        ("def f(names: frozenset[str]): return tuple(names - {'a'})", ["order of names - {'a'}"]),
    ],
)
def test_what_is_ambient_is_found(code: str, expected: list[str]) -> None:
    assert [found.what for found in findings(ast.parse(code))] == expected


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime, timedelta\nlater = then + timedelta(days=1)",
        "import anyio\nasync def f(): await anyio.lowlevel.checkpoint(); await anyio.sleep(0)",
        "from random import Random\nfrom uuid import UUID\ndef f(dice: Random) -> UUID: return UUID(int=dice.getrandbits(128))",
        "seen: set[str] = set()\nfor x in sorted(seen): pass\nsmallest = min(x for x in seen)\nseen.add('a')",
        "names: dict[str, int] = {}\nfor name in names: pass",
    ],
)
def test_what_depends_on_its_input_alone_is_left_in_peace(code: str) -> None:
    assert findings(ast.parse(code)) == []
