"""Rule 9: code that asks for something else than the log holds has diverged; what an abandoned branch still brings is ignored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, Bench, killed_node, named, node, stream, until

Flow = Workflow[..., Any]
bench = Bench()


@step
async def charge(cents: int) -> int:
    return cents


@step
async def refund(cents: int) -> int:
    return cents


@step
async def slow() -> str:
    return await bench.held("slow")


def flow(body: Callable[[], Coroutine[Any, Any, Any]]) -> Flow:
    """Some build of one workflow."""
    built: Flow = workflow(name="pays")(body)
    return built


@flow
async def written() -> Any:
    await charge(5)
    return await perdure.signal("end")


@flow
async def another_step() -> Any:
    await refund(5)
    return await perdure.signal("end")


@flow
async def other_arguments() -> Any:
    await charge(6)
    return await perdure.signal("end")


@flow
async def one_step_less() -> Any:
    return await perdure.signal("end")


@flow
async def one_step_more() -> Any:
    await charge(5)
    await refund(5)
    return await perdure.signal("end")


@pytest.mark.parametrize("changed", [another_step, other_arguments, one_step_less, one_step_more])
@pytest.mark.anyio
async def test_each_way_to_differ_is_found_and_suspends_the_run(changed: Flow) -> None:
    log = MemoryLog()
    async with killed_node(log, written) as runtime:
        await runtime.start(written, id="r")
        await until(lambda: "StepCompleted" in named(log, "r"))
    async with node(log.carrier(2), changed) as runtime:
        run = runtime.run("r")
        await run.signal("end")

        assert await run.status() == "suspended"
        assert not (await replay(log, stream("r"), runtime.registry)).agrees


@workflow
async def races() -> str:
    await perdure.first_of(slow(), perdure.signal("enough"))
    return "done"


@pytest.mark.anyio
async def test_a_late_outcome_of_a_lost_branch_is_recorded_and_ignored() -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    log = MemoryLog()
    async with node(log.carrier(), races) as runtime:
        run = await runtime.start(races, id="r")
        await until(lambda: bench.begun)
        await run.signal("enough")

        assert await run.result(within=PATIENCE) == "done"
        assert (await replay(log, stream("r"), runtime.registry)).agrees
