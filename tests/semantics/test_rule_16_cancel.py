"""Rule 16: cancel is an edge, once, at each current await, in path order; cleanup may await anything; terminate asks nobody."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

import perdure
from perdure import Cancelled, Retry, RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import Logged
from tests.laws.node import PATIENCE, Bench, events_of, named, node, until

bench = Bench()
said: list[str] = []


@pytest.fixture(autouse=True)
def _fresh_bench() -> None:
    global bench  # noqa: PLW0603 - the steps of the workflows below look it up when they run
    bench = Bench()
    said.clear()


@step
async def held(what: str) -> str:
    return await bench.held(what)


@step
async def quick(what: str) -> str:
    said.append(what)
    return what


@step(retry=Retry(attempts=100, first=timedelta(hours=1)))
async def backs_off() -> None:
    bench.begun.add("backs_off")
    raise ConnectionError


@workflow
async def cleans_up() -> str:
    try:
        await held("work")
    except Cancelled:
        await quick("one")
        await perdure.sleep(timedelta(milliseconds=1))
        await quick("two")
        raise
    return "done"


async def branch(name: str) -> None:
    try:
        await perdure.signal("never")
    finally:
        perdure.log(name)
        await quick(name)


@workflow
async def in_branches() -> None:
    await perdure.gather(branch("a"), branch("b"), branch("c"))


@workflow
async def shrugs() -> str:
    with contextlib.suppress(Cancelled):
        await perdure.signal("never")
    return "a value all the same"


@workflow
async def retries() -> None:
    await backs_off()


@workflow
async def returns() -> str:
    return await quick("done")


async def status_of(run: perdure.RunHandle[object]) -> str:
    with pytest.raises(RunError) as ended:
        await run.result(within=PATIENCE)
    return ended.value.status


@pytest.mark.anyio
async def test_running_steps_are_cancelled_and_cleanup_may_await_anything() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cleans_up) as runtime:
        run = await runtime.start(cleans_up, id="r")
        await until(lambda: "work" in bench.begun)
        await run.cancel("enough")

        assert await status_of(run) == "cancelled"
    assert bench.cancelled == ["work"]
    assert said == ["one", "two"]


@pytest.mark.anyio
async def test_it_is_raised_in_the_order_of_the_paths() -> None:
    log = MemoryLog()
    async with node(log.carrier(), in_branches) as runtime:
        run = await runtime.start(in_branches, id="r")
        await run.cancel()
        await status_of(run)

    assert sorted(said) == ["a", "b", "c"]
    assert [event.message for event in events_of(log, "r") if isinstance(event, Logged)] == ["a", "b", "c"]


@pytest.mark.anyio
async def test_the_run_ends_cancelled_whatever_the_body_returns() -> None:
    async with node(MemoryLog().carrier(), shrugs) as runtime:
        run = await runtime.start(shrugs, id="r")
        await run.cancel()

        assert await status_of(run) == "cancelled"


@pytest.mark.anyio
async def test_cancel_is_not_ignored_while_a_step_backs_off() -> None:
    log = MemoryLog()
    async with node(log.carrier(), retries) as runtime:
        run = await runtime.start(retries, id="r")
        await until(lambda: "StepFailed" in named(log, "r"))
        await run.cancel()

        assert await status_of(run) == "cancelled"


@pytest.mark.anyio
async def test_a_body_that_had_returned_before_wins() -> None:
    async with node(MemoryLog().carrier(), returns) as runtime:
        run = await runtime.start(returns, id="r")
        await run.result(within=PATIENCE)
        with pytest.raises(perdure.Refused):
            await run.cancel()

        assert await run.status() == "completed"


@pytest.mark.anyio
async def test_cancel_before_the_first_activation_runs_no_code() -> None:
    log = MemoryLog()
    async with node(log.carrier(), returns) as runtime:
        run = await runtime.start(returns, id="r", delay=timedelta(hours=1))
        await run.cancel("never mind")

        assert await status_of(run) == "cancelled"
    assert said == []
    assert named(log, "r") == ["RunDelayed", "CancelRequested", "RunCancelled"]


@pytest.mark.anyio
async def test_a_second_cancel_is_a_no_op_with_the_first_ones_answer() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cleans_up) as runtime:
        run = await runtime.start(cleans_up, id="r")
        await until(lambda: "work" in bench.begun)
        await run.cancel()
        await run.cancel()
        await status_of(run)

    assert named(log, "r").count("CancelRequested") == 1


@pytest.mark.anyio
async def test_terminate_ends_it_without_cleanup() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cleans_up) as runtime:
        run = await runtime.start(cleans_up, id="r")
        await until(lambda: "work" in bench.begun)
        await run.terminate()

        assert await status_of(run) == "terminated"
        await until(lambda: bench.cancelled == ["work"])
    assert said == []
