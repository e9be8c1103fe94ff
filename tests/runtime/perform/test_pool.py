"""The pool: attempts side by side up to a bound, each in a scope and a context of its own."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import perdure
from perdure import Retry, RunError, current, gather, step, workflow
from perdure.runtime.perform.job import Job
from perdure.runtime.settings.node import Settings
from tests.conftest import Loop
from tests.runtime.serving import PATIENCE, serving, until

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=20)


class Meter:
    """How many are inside at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    def __enter__(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)

    def __exit__(self, *error: object) -> None:
        self.inside -= 1


meter = Meter()
gate = threading.Event()
seen: list[Any] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    meter.inside = meter.most = 0
    gate.clear()
    seen.clear()


@step
async def enter(number: int) -> int:
    with meter:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
    return number


@workflow
async def crowd() -> int:
    return sum(await gather(*[enter(number) for number in range(50)]))


@pytest.mark.parametrize("bound", [1, 7])
async def test_no_more_steps_run_at_once_than_the_bound(bound: int) -> None:
    async with serving(crowd, settings=Settings(worker_concurrency=bound)) as runtime:
        assert await (await runtime.start(crowd)).result(within=PATIENCE) == sum(range(50))

    assert meter.most == bound


@step(timeout=SOON)
async def dawdle() -> None:
    await anyio.sleep_forever()


@workflow
async def dawdles() -> None:
    await dawdle()


async def failure_of(run: perdure.RunHandle[Any]) -> str:
    with pytest.raises(RunError) as caught:
        await run.result(within=PATIENCE)
    assert caught.value.failure is not None
    return caught.value.failure.message


async def test_an_attempt_that_takes_too_long_is_cancelled() -> None:
    async with serving(dawdles) as runtime:
        failure = await failure_of(await runtime.start(dawdles))

    assert failure == "step 'dawdle' failed: TimeoutError: the attempt took longer than 0:00:00.020000"


@step(timeout=SOON)
def block() -> str:
    return "late" if gate.wait(10) else "never"


@workflow
async def blocks() -> str:
    return await block()


async def test_a_plain_function_that_takes_too_long_fails_once_it_returns() -> None:
    """It cannot be stopped, so its worker stays taken until then."""
    async with serving(blocks, settings=Settings(worker_concurrency=1)) as runtime:
        run = await runtime.start(blocks)
        await until(lambda: runtime.pool.flying)
        await anyio.sleep(2 * SOON.total_seconds())
        flying = runtime.pool.flying
        gate.set()

        assert await failure_of(run) == "step 'block' failed: TimeoutError: the attempt took longer than 0:00:00.020000"
        assert flying == 1


@step(timeout=SOON)
async def fail_in_time() -> None:
    await anyio.lowlevel.checkpoint()
    raise ValueError("in time")


@step
async def outlast() -> str:
    await anyio.sleep(3 * SOON.total_seconds())
    return "lasted"


@workflow
async def fails_then_outlasts() -> str:
    try:
        await fail_in_time()
    except perdure.StepError:
        return await outlast()
    return "not reached"


async def test_the_time_limit_of_a_step_that_failed_strikes_no_later_step() -> None:
    async with serving(fails_then_outlasts, settings=Settings(worker_concurrency=1)) as runtime:
        assert await (await runtime.start(fails_then_outlasts)).result(within=PATIENCE) == "lasted"


@step
async def structured() -> list[str]:
    told: list[str] = []
    with anyio.move_on_after(SOON.total_seconds()):
        await anyio.sleep_forever()
    told.append("moved on")
    try:
        with anyio.fail_after(0.001):
            await anyio.sleep_forever()
    except TimeoutError:
        told.append("failed after")

    async def child() -> None:
        await anyio.lowlevel.checkpoint()
        told.append(f"child of {current().step}")

    async with anyio.create_task_group() as group:
        group.start_soon(child)
    return told


@workflow
async def structures() -> list[str]:
    return await structured()


async def test_scopes_and_task_groups_inside_a_step_work_as_ever() -> None:
    async with serving(structures) as runtime:
        assert await (await runtime.start(structures)).result(within=PATIENCE) == ["moved on", "failed after", "child of structured"]


@step
async def asyncio_timeout() -> str:
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)
    except TimeoutError:
        return "timed out"
    return "not reached"


@step(retry=Retry(attempts=2, first=timedelta(0)))
async def cancel_own_task() -> str:
    task = asyncio.ensure_future(asyncio.sleep(60))
    await asyncio.sleep(0)
    if current().attempt == 1:
        task.cancel()
        await task
    task.cancel()
    return "second attempt"


@workflow
async def own_cancellations() -> list[str]:
    return [await asyncio_timeout(), await cancel_own_task(), await asyncio_timeout()]


async def test_a_cancellation_that_a_step_raises_itself_is_its_failure_and_nobody_elses(anyio_backend: Loop) -> None:
    if anyio_backend[0] == "trio":
        pytest.skip("asyncio's own tasks and timeouts exist on asyncio alone")
    async with serving(own_cancellations, settings=Settings(worker_concurrency=1)) as runtime:
        assert await (await runtime.start(own_cancellations)).result(within=PATIENCE) == ["timed out", "second attempt", "timed out"]


@step
async def wait_for_ever() -> None:
    try:
        seen.append("begun")
        await anyio.sleep_forever()
    finally:
        seen.append("cancelled")


@workflow
async def waits_for_ever() -> None:
    await wait_for_ever()


@pytest.mark.parametrize("wish", ["cancel", "terminate"])
async def test_a_step_that_nobody_wants_any_more_is_cancelled(wish: str) -> None:
    async with serving(waits_for_ever) as runtime:
        run = await runtime.start(waits_for_ever)
        await until(lambda: seen)
        await (run.cancel() if wish == "cancel" else run.terminate())
        with pytest.raises(RunError, match="cancelled" if wish == "cancel" else "terminated"):
            await run.result(within=PATIENCE)
        await until(lambda: not runtime.pool.flying)

    assert seen == ["begun", "cancelled"]


@step
async def exit_all() -> None:
    raise SystemExit(3)


@workflow
async def exits() -> None:
    await exit_all()


async def test_a_step_that_wants_to_end_the_process_fails_instead() -> None:
    async with serving(exits) as runtime:
        assert await failure_of(await runtime.start(exits)) == "step 'exit_all' failed: SystemExit: 3"


async def test_an_attempt_that_is_cancelled_at_the_gate_has_landed() -> None:
    async with serving(crowd) as runtime:
        arrived = anyio.Event()

        async def shut(job: Job) -> None:
            arrived.set()
            await anyio.sleep_forever()

        runtime.pool.gate = shut
        run = await runtime.start(crowd)
        await arrived.wait()
        await run.terminate()
        await until(lambda: not runtime.pool.flying)

        runtime.pool.gate = None
        assert await (await runtime.start(crowd)).result(within=PATIENCE) == sum(range(50))
