"""What the simulation found in the core, each as the smallest case that shows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest

import perdure
from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.faults import Fault, FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.settings.node import Settings
from tests.runtime.serving import until

pytestmark = pytest.mark.anyio

begun: list[str] = []


@perdure.step(retry=perdure.Retry(attempts=2, first=timedelta(milliseconds=1)))
async def slow_at_second() -> str:
    attempt = perdure.current().attempt
    begun.append(f"attempt {attempt}")
    if attempt == 1:
        raise ValueError("once more")
    await anyio.sleep(0.02)
    return "done"


@perdure.workflow
async def wait_for_ever() -> None:
    await perdure.signal("never")


@perdure.workflow
async def retry_beside_signals() -> str:
    return await slow_at_second()


@asynccontextmanager
async def served(faults: Mapping[int, Fault], *workflows: Any, unreadable: bool = False) -> AsyncGenerator[tuple[Runtime, FaultyLog]]:
    log = FaultyLog(MemoryLog(), Script(faults))
    runtime = Runtime(
        log.carrier(),
        workflows,
        clock=SystemClock(),
        ids=SystemIds(),
        threads=WorkerThreads(4),
        ownership=OwnsAll("here", 1),
        settings=Settings(drain_seconds=0.2),
    )
    async with runtime.serving():
        yield runtime, log


async def test_who_waits_for_an_end_is_told_though_the_reply_to_its_append_was_lost() -> None:
    ends: list[str] = []

    async def wait(run: perdure.RunHandle[None]) -> None:
        with pytest.raises(perdure.RunError) as error:
            await run.result()
        ends.append(error.value.status)

    async with served({2: Fault("lost_reply")}, wait_for_ever) as (runtime, _):
        run = await runtime.start(wait_for_ever, id="one")
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, run)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(perdure.Unavailable):
                    await run.terminate()

    assert ends == ["terminated"]


async def test_an_attempt_that_ended_while_another_append_was_under_way_is_not_begun_again() -> None:
    begun.clear()
    async with served({3: Fault("slow_before", 0.06)}, retry_beside_signals) as (runtime, log):
        run = await runtime.start(retry_beside_signals, id="two")
        with anyio.fail_after(5):
            while len(begun) < 2:  # noqa: ASYNC110 - the step tells nobody but this list
                await anyio.sleep(0.001)
            await run.signal("anything")
            result = await run.result()

    assert (result, begun, log.happened["slow_before"]) == ("done", ["attempt 1", "attempt 2"], 1)


async def test_a_log_that_cannot_be_read_for_a_moment_does_not_end_the_runtime() -> None:
    class Moody(Script):
        def unreadable(self) -> bool:
            return True

    log = FaultyLog(MemoryLog(), Moody())
    runtime = Runtime(
        log.carrier(), [wait_for_ever], clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=OwnsAll("here", 1)
    )
    async with runtime.serving():
        await anyio.wait_all_tasks_blocked()
        log.plan = Script()
        run = await runtime.start(wait_for_ever, id="three")
        status = await run.status()
        await run.terminate()

    assert log.happened["unreadable"] > 0
    assert status == "running"


async def test_who_waits_for_an_end_is_told_when_the_node_ends_first() -> None:
    said: list[str] = []

    async def wait(run: perdure.RunHandle[None]) -> None:
        with pytest.raises(perdure.Unavailable) as error:
            await run.result()
        said.append(error.value.message)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group, served({}, wait_for_ever) as (runtime, _):
            group.start_soon(wait, await runtime.start(wait_for_ever, id="four"))
            await anyio.wait_all_tasks_blocked()

    assert said == ["this node ended before the run"]


async def test_a_start_repeated_under_another_command_is_answered_with_the_version_of_the_start() -> None:
    from perdure.runtime.requests import StartRun

    async with served({}, wait_for_ever) as (runtime, _):
        run = await runtime.start(wait_for_ever, id="five", command="a")
        await run.signal("x")
        again = await runtime.do(StartRun(workflow="wait_for_ever", run="five", command="b"))
        await run.terminate()

    assert again.version == 1


@perdure.step
async def hard_to_stop() -> str:
    begun.append("begun")
    try:
        await anyio.sleep(0.05)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
    return "done"


@perdure.workflow
async def one_step() -> str:
    return await hard_to_stop()


class Flapping:
    """Ownership that is lost and comes back."""

    owner = "here"
    now: int | None = 1

    def epoch(self, stream: str) -> int | None:
        return self.now


async def test_a_run_that_is_lost_and_comes_back_while_its_step_ends_is_performed_again() -> None:
    begun.clear()
    ownership = Flapping()
    carrier = MemoryLog().carrier()
    runtime = Runtime(carrier, [one_step], clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=ownership)
    async with runtime.serving():
        run = await runtime.start(one_step, id="six")
        with anyio.fail_after(5):
            await until(lambda: bool(begun))
            ownership.now = None
            with pytest.raises(perdure.Unavailable):
                await run.look()
            ownership.now = 3
            await run.look()
            result = await run.result()

    assert (result, begun) == ("done", ["begun", "begun"])


@perdure.workflow
async def races_in_races() -> list[str]:
    await perdure.signal("go")
    inner = perdure.first_of(perdure.signal("red", str), perdure.signal("never", str))
    first = await perdure.first_of(inner, in_turn(perdure.signal("blue", str)))
    return [str(first.value), await perdure.signal("red", str)]


async def in_turn(work: Any) -> Any:
    return await work


async def test_a_race_that_a_signal_won_gives_it_back_when_an_outer_race_is_lost() -> None:
    async with served({}, races_in_races) as (runtime, _):
        run = await runtime.start(races_in_races, id="seven")
        for name, value in (("red", "red 1"), ("blue", "blue 1"), ("go", None)):
            await run.signal(name, value)
        with anyio.fail_after(5):
            result = await run.result()

    assert result == ["blue 1", "red 1"]


@perdure.workflow
async def three_reach_for_one() -> list[str]:
    await perdure.signal("go")
    first = await perdure.first_of(*(in_turn(perdure.signal("blue", str)) for _ in range(3)))
    return [first.value, await perdure.signal("blue", str), await perdure.signal("blue", str)]


async def test_signals_that_several_losers_give_back_lie_in_the_order_in_which_they_came() -> None:
    async with served({}, three_reach_for_one) as (runtime, _):
        run = await runtime.start(three_reach_for_one, id="eight")
        for name, value in (("blue", "1"), ("blue", "2"), ("blue", "3"), ("go", None)):
            await run.signal(name, value)
        with anyio.fail_after(5):
            result = await run.result()

    assert result == ["1", "2", "3"]
