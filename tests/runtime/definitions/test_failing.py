"""Runs of definitions that fail: which step it was is said by the id that the definition gives it."""

from __future__ import annotations

import pytest

from perdure import RunError, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.definitions.replaying import CodeAtHand
from perdure.runtime.inspect.replay import replay
from tests.conftest import LOOPS, Loop
from tests.runtime.definitions.describing import PATIENCE, serving, steps, types

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Loop:
    """One loop is enough here: how runs are driven is held on all of them elsewhere."""
    return LOOPS["asyncio"]


FAILING = {
    "a wait": ("- {id: sig, type: wait_for_signal, timeout: 1ms, config: {name: go}}", "TimeoutError: step 'sig' took longer than 0.001 s"),
    "all that is inside": (
        "- {id: all, type: map, timeout: 1ms, config: {over: '[1]', steps: [{id: b, type: delay, config: {for: 1h}}]}}",
        "TimeoutError: step 'all' took longer than 0.001 s",
    ),
    "an expression": ("- {id: sum, type: set, config: {x: '${ 1 / int(run.version) }'}}", "step 'sum' failed: ExpressionFailed: 1 / int"),
    "an expression within": (
        "- {id: out, type: parallel, config: {branches: {l: [{id: sum, type: set, when: run.version / 0 == 1}]}}}",
        "step 'sum' failed: ExpressionFailed",
    ),
    "a plug-in": ("- {id: ask, type: fail, config: {until: 9}}", "StepError: step 'ask' failed: ConnectionError: not yet"),
    "a call of what is not there": ("- {id: call, type: workflow, config: {workflow: nosuch}}", "step 'call' failed: NotFound: "),
    "a child that fails": ("- {id: call, type: workflow, config: {workflow: sour}}", "ChildError: step 'call': run "),
    "a map over too much": (
        "- {id: many, type: map, config: {over: 'run.id', steps: [{id: b, type: set}]}}", "Unfit: step 'many', over: expected a list"
    ),
}


@workflow
async def sour() -> None:
    raise ValueError("sour")


@pytest.mark.parametrize("name", FAILING)
async def test_a_failure_names_the_step_of_the_definition(name: str) -> None:
    text, told = FAILING[name]
    log = MemoryLog()
    async with serving(sour, log=log) as runtime:
        run = await runtime.start_definition(steps(text), id="r")
        with pytest.raises(RunError) as failed:
            await run.result(within=PATIENCE)

        at_hand = CodeAtHand([sour], types())
        verdict = await replay(log.carrier(1).log, "run/default/r", at_hand.registry)

    assert told in str(failed.value)
    assert (verdict.agrees, verdict.status) == (True, "failed")


async def test_a_definition_that_calls_itself_comes_to_an_end() -> None:
    text = steps("""
- {id: more, type: workflow, when: "inputs.n < 1000000", config: {definition: example, inputs: {n: "${ inputs.n + 1 }"}}}
""", inputs="{n: {}}")  # fmt: skip
    async with serving() as runtime:
        await runtime.apply_definition(text)
        run = await runtime.start_definition("example", {"n": 0}, id="r")
        with pytest.raises(RunError, match="call each other too deeply"):
            await run.result(within=PATIENCE)

        assert len((await runtime.runs()).runs) == 33


@pytest.mark.parametrize(
    "text",
    [
        "- {id: a, type: workflow, config: {definition: example}}",
        "- {id: a, type: parallel, config: {branches: {l: [{id: b, type: workflow, config: {definition: example}}]}}}",
    ],
)
async def test_one_that_calls_itself_whatever_happens_is_not_applied(text: str) -> None:
    async with serving() as runtime:
        (fault,) = (await runtime.check_definition(steps(text))).faults

    assert fault.path.endswith(".config.definition")
    assert "when" in fault.instead
