"""Rule 31: the slots of a limit outlive nodes: a killed one gives them back after its lease, and the bound holds meanwhile."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from perdure import PerdureError, RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import stream_of
from perdure.runtime.kinds.limit import LEASE, Expired
from perdure.runtime.requests import AwaitRun, StartRun
from perdure.runtime.testing.checks import violations
from perdure.runtime.testing.clock import NodeClock
from perdure.runtime.testing.loop import run_seeded
from perdure.runtime.testing.weather import Weather
from perdure.runtime.testing.world import World
from tests.semantics.limited import SECOND, Floor, at_work, floor, folds, in_virtual_time, pays, pays_back, said


@pytest.fixture(autouse=True)
def fresh() -> None:
    floor[:] = [Floor()]


def test_the_slot_of_a_killed_owner_is_free_after_its_lease() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays, killed=True) as runtime:
            for who in ("a", "b"):
                await runtime.start(pays, who, 9000.0, id=who)
            await anyio.sleep(5)
            assert len(folds(log, "two")[-1].held) == 2
        killed = anyio.current_time()
        async with at_work(log, pays_back, epoch=2) as runtime:  # the runs that held the slots are not known here
            run = await runtime.start(pays_back, "c")
            assert await run.result() == "c"
            assert said(log, "two", Expired) == 1
        assert LEASE / 2e6 < floor[0].begun[-1][0] - killed <= LEASE / 1e6 + 1

    in_virtual_time(main)


def test_the_next_owner_of_the_same_attempts_need_not_wait_for_the_lease() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays, killed=True) as runtime:
            for who in "abc":
                await runtime.start(pays, who, 50.0, id=who)
            await anyio.sleep(5)
        killed = anyio.current_time()
        async with at_work(log, pays, epoch=2) as runtime:
            assert [await runtime.run(who).result() for who in "abc"] == ["a", "b", "c"]
            folds(log, "two")
        assert sorted((who, at - killed < 1) for at, who in floor[0].begun[2:]) == [("a", True), ("b", True), ("c", False)]

    in_virtual_time(main)


@step(start_within=SECOND)
async def long_work(seconds: float) -> str:
    return await floor[0].work("long", "it", seconds)


@workflow
async def works_long() -> str:
    return await long_work(50.0)


def test_an_attempt_that_began_in_time_is_not_late_because_its_process_was_killed() -> None:
    """Whether it had begun is not in the log, so the wait until it begins is counted anew."""

    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, works_long, killed=True) as runtime:
            await runtime.start(works_long, id="one")
            await anyio.sleep(20)
        async with at_work(log, works_long, epoch=2) as runtime:
            assert await runtime.run("one").result() == "it"
        assert len(floor[0].begun) == 2

    in_virtual_time(main)


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_holds_over_nodes_that_crash(seed: int) -> None:
    weather = Weather(nodes={"crash": 0.1, "stop": 0.05}, lost_answers=0.1, astray=0.2, seconds=40)
    world = World(seed, [pays], nodes=3, weather=weather)

    async def one(number: int) -> None:
        raw, id = msgspec.Raw(msgspec.json.encode([f"{number}", 2.0])), f"r{number}"
        begins = StartRun(workflow="pays", arguments=raw, run=id, command=id)
        for request in (begins, AwaitRun(run=id)):
            while True:
                try:
                    await world.route(stream_of("run", "default", id)).call(request)
                    break
                except PerdureError:
                    await anyio.sleep(0.5)

    async def scenario(world: World) -> None:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(one, number)
            await anyio.sleep(40)
            world.heal()
        await anyio.sleep(LEASE / 1e6)

    run_seeded(seed, lambda: world.play(scenario))
    state = folds(world.log, "two")[-1]
    assert (state.held, state.queue) == ({}, {})
    assert floor[0].most["two"] == 2
    assert violations(world) == []


def test_a_long_attempt_keeps_its_slot() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays) as runtime:
            runs = [await runtime.start(pays, who, 1000.0) for who in "abc"]
            for run in runs:
                await run.result()
        assert floor[0].most["two"] == 2
        assert said(log, "two", Expired) == 0

    in_virtual_time(main)


@pytest.mark.parametrize("how", ["cancel", "terminate"])
@pytest.mark.parametrize("who", ["holder", "waiting"])
def test_a_run_that_is_ended_gives_its_slot_or_its_place_back(how: str, who: str) -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays) as runtime:
            for name, seconds in (("a", 9000.0), ("b", 20.0), ("c", 9000.0), ("d", 1.0)):
                await runtime.start(pays, name, seconds, id=name)
            await anyio.sleep(1)
            ended = runtime.run("a" if who == "holder" else "c")
            await (ended.cancel() if how == "cancel" else ended.terminate())
            with pytest.raises(RunError):
                await ended.result()
            began = anyio.current_time()
            if who == "holder":
                await runtime.run("c").cancel()
            assert await runtime.run("d").result() == "d"
            assert anyio.current_time() - began == pytest.approx(1 if who == "holder" else 20, abs=2)
            await runtime.run("a").terminate() if who == "waiting" else None
            await runtime.run("b").result()
            await anyio.sleep(1)
            state = folds(log, "two")[-1]
            assert (state.held, state.queue) == ({}, {})

    in_virtual_time(main)


def test_a_node_that_closes_gives_everything_back() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays) as runtime:
            for who in "abcd":
                await runtime.start(pays, who, 3.0)
            await anyio.sleep(1)
        state = folds(log, "two")[-1]
        assert (state.held, state.queue) == ({}, {})
        assert len(floor[0].begun) == 2

    in_virtual_time(main)


def test_law_10_the_head_of_a_limit_wakes_it() -> None:
    async def main() -> None:
        log = MemoryLog()
        name = stream_of("limit", "default", "two")
        async with at_work(log, pays) as runtime:
            run = await runtime.start(pays, "a", 5.0)
            await anyio.sleep(1)
            assert (wake_at := log.summaries[name].head.wake_at) is not None
            assert 0 < wake_at - NodeClock().now() <= LEASE
            await run.result()
            await anyio.sleep(1)
            assert log.summaries[name].head.wake_at is None
            assert await runtime.alarm.sweep() == 0

    in_virtual_time(main)
