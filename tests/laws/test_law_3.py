"""The core is pure.

`decide`, `evolve`, `react`, the driver, the arithmetic of retries and the codec do no I/O, read no clock, draw no chance.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw

import perdure
from perdure import Retry, step, workflow
from perdure.adapters.deciding_by_facts import PerformsNothing
from perdure.eventlog.codec import Event
from perdure.eventlog.errors import PerdureError
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import decide
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import RunState, canonical, restore
from tests.house.tree import ROOT, modules, name, parse

PURE = [
    *(name(path) for path in modules("runtime") if name(path).startswith("runtime/run/") and path.name not in {"runs.py", "shell.py"}),
    *(name(path) for path in modules("runtime") if name(path).startswith("runtime/authoring/")),
    *(f"eventlog/{module}.py" for module in ("codec", "records", "guard", "streams", "digest", "errors", "snapshots")),
]
DIRECTLY_PURE = ["actors/kind.py", "actors/judging.py"]
"""Their types lead to the mailbox, whose promises know how to wait; they themselves do not."""

HARMLESS = {
    "__future__", "base64", "bisect", "collections", "contextlib", "contextvars", "dataclasses", "datetime", "decimal", "enum", "functools",
    "hashlib", "heapq", "inspect", "itertools", "math", "msgspec", "operator", "random", "re", "string", "struct", "sys", "types",
    "typing", "typing_extensions", "unicodedata", "uuid",
}  # fmt: skip
"""What can be imported without touching the world; that chance is drawn from a seed alone is tests/house/test_no_ambient.py's."""


@functools.cache
def imports(path: Path) -> tuple[tuple[Path | None, str], ...]:
    """Each import of a module: (the file it is in, where it is ours, and its name)."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[Path | None, str]]:
    tree = parse(path)
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]:
        block.body = [found for found in block.body if isinstance(found, ast.ImportFrom) and found.level]  # others never run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((None, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield None, (node.module or "").partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split(".") if node.module else ())
            inside = [base / f"{alias.name}.py" for alias in node.names]
            files = [file for file in inside if file.is_file()] or [base / "__init__.py" if base.is_dir() else base.with_suffix(".py")]
            yield from ((file, file.stem) for file in files)


def leaning(path: Path, seen: set[Path]) -> Iterator[str]:
    """What a module, and all of ours that it imports, takes from outside the house and that is not harmless."""
    seen.add(path)
    for file, module in imports(path):
        if file is None and module not in HARMLESS:
            yield f"{name(path)}: {module}"
        elif file is not None and file not in seen and file.name != "__init__.py":
            yield from leaning(file, seen)


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_and_all_it_leans_on_import_nothing_of_the_world(module: str) -> None:
    seen: set[Path] = set()

    assert list(leaning(ROOT / module, seen)) == []
    assert all(path.is_file() for path in seen)


@pytest.mark.parametrize("module", DIRECTLY_PURE)
def test_the_judging_half_of_a_turn_imports_nothing_of_the_world(module: str) -> None:
    assert [found for file, found in imports(ROOT / module) if file is None and found not in HARMLESS] == []


@step(retry=Retry(attempts=3))
async def work(n: int) -> int:
    return n


@workflow
async def job(n: int) -> list[int]:
    perdure.attributes(drawn=perdure.random().random(), id=str(perdure.uuid()), at=perdure.now().isoformat())
    first = await perdure.gather(work(n), work(perdure.random().randrange(1_000_000)))
    return [*first, await perdure.signal("more", int)]


HISTORY: list[cmd.Command] = [
    cmd.Start("job", 1, Raw(b"[1]"), 7, "begin"),
    cmd.StepBroke("0.0/0", 1, Failure("ValueError", "no"), 1, 2, "w", Retry(attempts=3)),
    cmd.Look(),
    cmd.Wake(),
    cmd.StepBroke("0.1/0", 1, Failure("ValueError", "no"), 1, 2, "w", Retry(attempts=3)),
    ev.StepCompleted("0.0/0", 2, Raw(b"1"), 3, 4, "w"),
    cmd.Signal("more", Raw(b"5"), "once"),
    cmd.Signal("more", Raw(b"5"), "once"),
    ev.StepCompleted("0.1/0", 2, Raw(b"2"), 5, 6, "w"),
    cmd.Signal("late", Raw(b"6")),
]


def played(runs: Runs) -> tuple[list[bytes], RunState]:
    """Decide, evolve and react over the history: the bytes of each turn, and the facts at its end."""
    run, turns = runs.initial("run/default/a"), list[bytes]()
    for now, command in enumerate(HISTORY, 1_000):
        events: list[Event] = []
        try:
            decided = runs.decide(run, command, now)
        except PerdureError as refusal:
            turns.append(str(refusal).encode())
            continue
        while decided:
            for event in decided:
                run = runs.evolve(run, event, now)
            events += decided
            decided = runs.react(run, now)
        turns.append(runs.codec.encode(now, 1, events))
    runs.forget("run/default/a", run)
    return turns, run.facts


def test_the_same_commands_give_the_same_bytes_whoever_plays_them() -> None:
    first, facts = outside_loop(played, Runs(Registry([job]), PerformsNothing()))
    second, again = outside_loop(played, Runs(Registry([job]), PerformsNothing()))

    assert first == second
    assert canonical(facts) == canonical(again)
    assert facts.phase == "completed"
    assert any(b"StepFailed" in turn for turn in first), "a pause with jitter is among them"


def test_deciding_twice_on_the_same_facts_gives_the_same_bytes_and_changes_nothing() -> None:
    turns, _ = outside_loop(played, Runs(Registry([job]), PerformsNothing()))
    facts, decided = RunState(), 0
    for turn in (turn for turn in turns if turn.startswith(b"{")):
        for event in ev.CODEC.decode(turn).events:
            evolve(facts, event, 1)
        before = canonical(facts)
        for command in HISTORY:
            assert verdict(facts, command) == verdict(restore(before), command)
            decided += 1
        assert canonical(facts) == before

    assert decided > len(HISTORY)


def verdict(facts: RunState, command: cmd.Command) -> bytes:
    try:
        return ev.CODEC.encode(9, 1, decide(facts, command, 9_000_000))
    except PerdureError as refusal:
        return str(refusal).encode()


def test_reacting_twice_from_the_same_log_gives_the_same_bytes() -> None:
    """From the facts alone, as after a crash before the code's own wishes were written."""
    started = ev.RunStarted("job", 1, Raw(b"[1]"), 7)

    def reacted() -> bytes:
        runs = Runs(Registry([job]), PerformsNothing())
        run: Run = runs.evolve(runs.initial("run/default/a"), started, 5)
        events = runs.react(run, 5)
        runs.forget("run/default/a", run)
        return runs.codec.encode(5, 1, events)

    first, second = outside_loop(reacted), outside_loop(reacted)

    assert first == second
    assert first.count(b"StepScheduled") == 2
