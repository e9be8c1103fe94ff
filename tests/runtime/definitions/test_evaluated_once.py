"""A run of a definition that is driven again evaluates nothing: what expressions gave is in its log, whatever they would give today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from perdure.eventlog.memory import MemoryLog
from perdure.runtime.definitions import expressions
from perdure.runtime.definitions.model import Reads
from perdure.runtime.inspect.replay import replay
from tests.runtime.definitions.describing import PATIENCE, serving, steps, under_way

pytestmark = pytest.mark.anyio

TEXT = steps("""
- {id: a, type: set, config: {n: "${ inputs.n + 1 }"}}
- id: b
  type: branch
  config:
    cases: [{when: steps.a.output.n > 1, steps: [{id: yes, type: greet, config: {whom: "${ string(steps.a.output.n) }"}}]}]
    else: [{id: no, type: greet, config: {whom: nobody}}]
- id: c
  type: map
  config:
    over: "[1, 2, 3].map(i, i * steps.a.output.n)"
    concurrency: 2
    steps: [{id: d, type: greet, when: item > 2, config: {whom: "number ${ item }"}}]
- id: e
  type: loop
  config: {while: round.index < 2, limit: 5, steps: [{id: f, type: transform, config: {value: "${ round.index }"}}]}
- {id: g, type: wait_for_signal, config: {name: go}}
- {id: h, type: transform, config: {value: "${ steps.g.output + steps.a.output.n }"}}
""", inputs="{n: {}}", output='["${ steps.b.output }", "${ steps.c.output }", "${ steps.h.output }"]')  # fmt: skip

EXPECTED = ["hello 2", [None, "hello number 4", "hello number 6"], 12]


def _otherwise(source: str, variables: Mapping[str, Any]) -> Any:
    raise AssertionError(f"evaluated while the run was driven again: {source}")


def _changed(source: str, variables: Mapping[str, Any]) -> Any:
    return "changed" if "steps.h" in source else "otherwise"


def _reads_nothing(source: str) -> Reads:
    return Reads(["nothing"], [])


async def test_a_run_is_driven_again_without_evaluating_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    async with serving(log=log) as runtime:
        await under_way(await runtime.start_definition(TEXT, {"n": 1}, id="r"), "g")
    evaluate = expressions.evaluate
    monkeypatch.setattr(expressions, "evaluate", _otherwise)
    async with serving(log=log, epoch=2) as runtime:
        assert (await runtime.run("r").query("steps"))["g"] == "running"
        monkeypatch.setattr(expressions, "evaluate", evaluate)
        await runtime.run("r").signal("go", 10)

        assert await runtime.run("r").result(within=PATIENCE) == EXPECTED
        monkeypatch.setattr(expressions, "evaluate", _otherwise)
        verdict = await replay(log.carrier(3).log, "run/default/r", runtime.registry)
    assert (verdict.agrees, verdict.status) == (True, "completed")


async def test_a_library_that_answers_otherwise_changes_only_what_is_evaluated_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    async with serving(log=log) as runtime:
        await under_way(await runtime.start_definition(TEXT, {"n": 1}, id="r"), "g")
    monkeypatch.setattr(expressions, "evaluate", _changed)
    async with serving(log=log, epoch=2) as runtime:
        await runtime.run("r").signal("go", 10)

        assert await runtime.run("r").result(within=PATIENCE) == ["otherwise", "otherwise", "changed"]
        verdict = await replay(log.carrier(3).log, "run/default/r", runtime.registry)
    assert verdict.agrees


async def test_reading_expressions_otherwise_changes_no_run_that_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which steps an expression names is found out at the start, and recorded."""
    log = MemoryLog()
    async with serving(log=log) as runtime:
        await under_way(await runtime.start_definition(TEXT, {"n": 1}, id="r"), "g")
    monkeypatch.setattr(expressions, "reads", _reads_nothing)
    monkeypatch.setattr("perdure.runtime.definitions.templates.pieces", _otherwise)
    async with serving(log=log, epoch=2) as runtime:
        verdict = await replay(log.carrier(3).log, "run/default/r", runtime.registry)

    assert verdict.agrees


async def test_a_killed_run_and_a_clean_one_have_one_content_digest() -> None:
    log = MemoryLog()
    async with serving(log=log) as runtime:
        for id in ("clean", "killed"):
            await under_way(await runtime.start_definition(TEXT, {"n": 1}, id=id), "g")
        await runtime.run("clean").signal("go", 10)
        await runtime.run("clean").result(within=PATIENCE)
    async with serving(log=log, epoch=2) as runtime:
        await runtime.run("killed").signal("go", 10)
        await runtime.run("killed").result(within=PATIENCE)
        found = [await replay(log.carrier(3).log, f"run/default/{id}", runtime.registry) for id in ("clean", "killed")]

    assert found[0].content_digest == found[1].content_digest
