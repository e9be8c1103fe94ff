"""Rule 29: an attempt of an `at_most_once` step is recorded before it begins, and a crash gives Interrupted; it is never begun again."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import Interrupted, Invalid, Retry, StepError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import StepFailed
from tests.laws.node import AT_ONCE, PATIENCE, Bench, events_of, killed_node, named, node, until

pytestmark = pytest.mark.anyio

bench: list[Bench] = []
seen: list[list[str]] = []
logs: list[MemoryLog] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    bench[:] = [Bench()]
    seen.clear()
    logs[:] = [MemoryLog()]


@step(at_most_once=True)
async def launch(what: str) -> str:
    seen.append(named(logs[0], "one"))
    return await bench[0].held(what)


@workflow
async def launches() -> str:
    try:
        return await launch("rocket")
    except Interrupted as unknown:
        return f"{unknown.step} is unknown"


async def test_its_beginning_is_durable_before_it_begins() -> None:
    async with node(logs[0].carrier(1), launches) as runtime:
        run = await runtime.start(launches, id="one")
        await until(lambda: bench[0].begun)
        bench[0].go.set()

        assert await run.result(within=PATIENCE) == "rocket"
    assert seen == [["RunStarted", "StepScheduled", "StepStarted"]]
    assert named(logs[0], "one") == ["RunStarted", "StepScheduled", "StepStarted", "StepCompleted", "RunCompleted"]


async def test_a_crash_gives_interrupted_and_no_second_attempt() -> None:
    async with killed_node(logs[0], launches) as runtime:
        await runtime.start(launches, id="one")
        await until(lambda: bench[0].begun)
    async with node(logs[0].carrier(2), launches) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "launch is unknown"

    assert bench[0].count() == [1]
    (failed,) = (event for event in events_of(logs[0], "one") if isinstance(event, StepFailed))
    assert (failed.error.type, failed.retry_at, failed.worker) == ("perdure.Interrupted", None, "node")


async def test_a_node_that_leaves_before_it_began_leaves_it_to_the_next() -> None:
    """Nothing was recorded of it, so it is no suspect."""

    @step
    async def hog() -> None:
        await bench[0].held("hog")

    @workflow
    async def hogs() -> None:
        await hog()

    crowd = perdure.Settings(worker_concurrency=1, drain_seconds=0.0)
    async with node(logs[0].carrier(1), launches, hogs, settings=crowd) as runtime:
        await runtime.start(hogs)
        await until(lambda: bench[0].begun)
        await runtime.start(launches, id="one")
    bench[0].go.set()
    async with node(logs[0].carrier(2), launches, hogs) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "rocket"


async def test_another_failure_is_final_and_is_itself() -> None:
    @step(at_most_once=True)
    async def fails() -> None:
        bench[0].attempt("fails")
        raise ValueError("no")

    @workflow
    async def tries() -> str:
        try:
            await fails()
        except StepError as error:
            return f"{type(error).__name__} {error.type}"
        return "not reached"

    async with node(logs[0].carrier(1), tries) as runtime:
        assert await (await runtime.start(tries, id="one")).result(within=PATIENCE) == "StepError ValueError"
    assert bench[0].count() == [1]


async def test_a_drained_node_lets_it_end() -> None:
    async with node(logs[0].carrier(1), launches) as runtime:
        await runtime.start(launches, id="one")
        await until(lambda: bench[0].begun)
        bench[0].go.set()

    assert named(logs[0], "one")[-1] == "RunCompleted"


async def test_cancelling_the_run_cancels_it() -> None:
    async with node(logs[0].carrier(1), launches, settings=AT_ONCE) as runtime:
        run = await runtime.start(launches, id="one")
        await until(lambda: bench[0].begun)
        await run.cancel()
        await until(lambda: bench[0].cancelled)
        with pytest.raises(perdure.RunError, match="cancelled"):
            await run.result(within=PATIENCE)


def test_a_retry_policy_beside_it_is_refused_where_it_is_written() -> None:
    with pytest.raises(Invalid, match="at most once cannot be tried again") as caught:

        @step(at_most_once=True, retry=Retry(attempts=2, first=timedelta(seconds=1)))
        async def twice() -> None: ...

    assert caught.value.instead
