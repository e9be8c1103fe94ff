"""An accepted update is answered once, with one answer: after a crash, after a retry, to a sender who asks again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

import perdure
from perdure import Refused, Unavailable, on_query, on_update, sleep
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.decide import messages as deciding
from perdure.testing import Simulation
from tests.laws.node import AT_ONCE, killed_node, named, node

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)

hold: list[anyio.Event] = []
outcome: list[str] = []


@perdure.step
async def quick() -> str:
    if not outcome:
        hold[0].set()
        await anyio.sleep_forever()
    return outcome[0]


@perdure.workflow
async def asked() -> str:
    async def work() -> str:
        return await quick()

    on_update("work", work)
    await sleep(DAY)
    return "over"


async def test_a_crash_between_accepted_and_completed_leads_to_the_same_answer() -> None:
    log = MemoryLog()
    hold[:], outcome[:] = [anyio.Event()], []
    async with killed_node(log, asked) as runtime:
        run = await runtime.start(asked, id="a")

        async def give_up() -> None:
            with pytest.raises(Unavailable):
                await run.update("work", command="w")

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            await hold[0].wait()
            runtime.performer.end()
    accepted = named(log, "a")
    outcome[:] = ["done"]
    async with node(log.carrier(2), asked) as runtime:
        answer = await runtime.run("a").update("work", command="w")

    assert accepted[-2:] == ["UpdateAccepted", "StepScheduled"]
    assert answer == "done"
    assert named(log, "a").count("UpdateCompleted") == 1


async def test_an_update_that_the_end_of_the_run_overtakes_is_refused() -> None:
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")

        async def overtaken() -> None:
            with pytest.raises(Refused, match="ended before it had answered"):
                await run.update("work", command="w")

        async with anyio.create_task_group() as group:
            group.start_soon(overtaken)
            await hold[0].wait()
            await run.terminate()
        with pytest.raises(Refused, match="ended before it had answered"):
            await run.update("work", command="w")


async def test_a_sender_that_waits_too_long_may_ask_again() -> None:
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")
        with pytest.raises(Unavailable, match="not answered yet") as slow:
            await run.update("work", command="w", within=timedelta(seconds=0.05))

    assert "'w'" in slow.value.instead


async def test_a_run_that_is_retried_keeps_what_it_answered() -> None:
    well: list[bool] = []

    @perdure.step
    async def flaky() -> str:
        if not well:
            raise ValueError("not yet")
        return "well"

    @perdure.workflow
    async def flow() -> int:
        count = 0

        def add(number: int) -> int:
            nonlocal count
            count += number
            return count

        on_update("add", add)
        on_query("count", lambda: count)
        await perdure.signal("go")
        await flaky()
        await perdure.signal("end")
        return count

    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="f")
        first = await run.update("add", 1, command="a")
        await run.signal("go")
        with pytest.raises(perdure.RunError):
            await run.result()
        failed = await run.query("count")
        well.append(True)
        await run.retry()
        again, second = await run.update("add", 1, command="a"), await run.update("add", 1, command="b")
        await run.signal("end")

        assert (first, failed, again, second, await run.result()) == (1, 1, 1, 2, 2)


async def test_an_update_that_is_handled_again_by_a_retry_keeps_its_first_answer() -> None:
    mended: list[bool] = []

    @perdure.workflow
    async def flow() -> str:
        def add(number: int) -> str:
            return f"{number} {'mended' if mended else 'as it was'}"

        on_update("add", add)
        await perdure.signal("go")
        if not mended:
            raise ValueError("a mistake in the code")
        return "over"

    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="f")
        first = await run.update("add", 1, command="a")
        await run.signal("go")
        with pytest.raises(perdure.RunError):
            await run.result()
        mended.append(True)
        await run.retry(from_version=1)
        assert await run.result() == "over"

        assert await run.update("add", 1, command="a") == first == "1 as it was"
    assert named(log, "f").count("UpdateCompleted") == 2


@perdure.step
async def slowly(item: str) -> str:
    await anyio.sleep(3)
    return f"{item} reserved"


@perdure.workflow
async def counted() -> int:
    taken: list[str] = []

    async def take(item: str) -> int:
        taken.append(await slowly(item))
        return len(taken)

    def count() -> int:
        return len(taken)

    on_update("take", take)
    on_update("count", count)
    await perdure.signal("end")
    return len(taken)


def test_updates_are_answered_alike_under_a_crash_after_every_write() -> None:
    updates: list[tuple[float, str, list[Any]]] = [(1.0, "take", ["tea"]), (2.0, "take", ["jam"]), (30.0, "count", [])]
    outcome = Simulation(seed=22).run(counted, crash_after_every_append=True, updates=updates, signals=[(60.0, "end", None)])

    assert (outcome.value, sorted(outcome.answers)) == (2, [1, 2, 2])
    assert outcome.crashes >= 5


@pytest.mark.parametrize("seed", range(5))
def test_updates_are_answered_under_crashes_at_any_moment(seed: int) -> None:
    updates: list[tuple[float, str, list[Any]]] = [(1.0, "take", ["tea"]), (2.0, "take", ["jam"])]
    simulation = Simulation(seed, nodes=2)
    outcome = simulation.run(counted, crash_at_random=True, updates=updates, signals=[(200.0, "end", None)], same_as_without=False)

    assert (outcome.value, sorted(outcome.answers)) == (2, [1, 2])


async def test_updates_that_wait_for_their_answer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "UPDATES_MAX", 1)
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")
        with pytest.raises(Unavailable, match="not answered yet"):
            await run.update("work", command="v", within=timedelta(seconds=0.05))
        with pytest.raises(Refused, match="too many updates wait"):
            await run.update("work", command="w")
