"""Rule 31: a limit bounds attempts over all runs: how many at once and how many within a time, by key, first come, first served."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import perdure
from perdure import Invalid, Limit, Retry, RunError, step, workflow
from perdure.actors.ports import OwnsAll
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.kinds.limit import Acquired
from perdure.runtime.testing.clock import NodeClock
from perdure.runtime.testing.loop import stream_of_chance
from perdure.runtime.testing.node import InlineThreads, SeededIds
from tests.semantics.limited import SECOND, Floor, at_work, floor, folds, in_virtual_time, pays, pays_back, said


@pytest.fixture(autouse=True)
def fresh() -> None:
    floor[:] = [Floor()]


def test_there_are_never_more_holders_than_slots_and_who_comes_first_is_served_first() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays) as runtime:
            runs = [await runtime.start(pays, f"{n:02}", id=f"r{n}") for n in range(20)]
            assert [await run.result() for run in runs] == [f"{n:02}" for n in range(20)]

            states = folds(log, "two")
            assert not states[-1].held
            assert not states[-1].queue
        assert floor[0].most["two"] == 2
        assert [who for _, who in floor[0].begun] == sorted(who for _, who in floor[0].begun)
        assert said(log, "two", Acquired) == 20

    in_virtual_time(main)


def test_two_steps_that_name_a_limit_share_it() -> None:
    async def main() -> None:
        async with at_work(MemoryLog(), pays, pays_back) as runtime:
            for n in range(5):
                await runtime.start(pays, f"{n}", id=f"pays {n}")
                await runtime.start(pays_back, f"{n}", id=f"back {n}")
            for n in range(5):
                await runtime.run(f"pays {n}").result()
                await runtime.run(f"back {n}").result()
        assert floor[0].most["two"] == 2

    in_virtual_time(main)


def test_each_key_has_a_limit_of_its_own() -> None:
    @step(limit=Limit("shop", concurrency=1, key=lambda shop, who: shop))
    async def sells(shop: str, who: str) -> str:
        return await floor[0].work(shop, who)

    @workflow
    async def sale(shop: str, who: str) -> str:
        return await sells(shop, who)

    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, sale) as runtime:
            for n in range(9):
                await runtime.start(sale, f"shop {n % 3}", f"{n}", id=f"{n}")
            for n in range(9):
                await runtime.run(f"{n}").result()
        assert dict(floor[0].most) == {"shop 0": 1, "shop 1": 1, "shop 2": 1}
        assert [at - floor[0].begun[0][0] for at, _ in floor[0].begun[:3]] == pytest.approx([0, 0, 0], abs=0.1), "side by side"
        assert sorted(name for name in log.streams if name.startswith("limit/")) == [
            stream_of("limit", "default", f"shop/shop {n}") for n in range(3)
        ]

    in_virtual_time(main)


def test_a_rate_bounds_the_beginnings_within_any_such_time() -> None:
    @step(limit=Limit("api", rate=(5, SECOND)))
    async def calls(who: str) -> str:
        return await floor[0].work("api", who, 0.01)

    @workflow
    async def call(who: str) -> str:
        return await calls(who)

    async def main() -> None:
        async with at_work(MemoryLog(), call) as runtime:
            runs = [await runtime.start(call, str(n)) for n in range(23)]
            for run in runs:
                await run.result()
        times = [at for at, _ in floor[0].begun]
        assert all(later - early > 0.999 for early, later in zip(times, times[5:], strict=False))
        assert 4.0 <= times[-1] - times[0] < 4.5, "and it is used up to the bound"

    in_virtual_time(main)


def test_a_failed_attempt_gives_its_slot_back_and_asks_again_for_the_next() -> None:
    tries: list[int] = []

    @step(limit=Limit("one", concurrency=1), retry=Retry(attempts=3, first=SECOND))
    async def fails() -> None:
        tries.append(perdure.current().attempt)
        raise ValueError("no")

    @workflow
    async def flow() -> None:
        await fails()

    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, flow) as runtime:
            with pytest.raises(RunError):
                await (await runtime.start(flow)).result()
            await anyio.sleep(1)
            assert said(log, "one", Acquired) == 3
            assert not folds(log, "one")[-1].held
        assert tries == [1, 2, 3]

    in_virtual_time(main)


def test_a_step_left_to_somebody_outside_gives_its_slot_back() -> None:
    tokens: list[str] = []

    @step(limit=Limit("one", concurrency=1))
    async def asks() -> int:
        tokens.append(perdure.current().token)
        raise perdure.CompleteLater

    @workflow
    async def flow() -> int:
        return await asks()

    async def main() -> None:
        async with at_work(MemoryLog(), flow) as runtime:
            runs = [await runtime.start(flow) for _ in range(2)]
            await anyio.sleep(1)
            assert len(tokens) == 2
            for token in tokens:
                await runtime.complete(token, 1)
            assert [await run.result() for run in runs] == [1, 1]

    in_virtual_time(main)


def test_start_within_bounds_the_wait_for_a_slot() -> None:
    @step(limit=Limit("one", concurrency=1), start_within=timedelta(seconds=3))
    async def waits(seconds: float) -> None:
        await floor[0].work("one", "x", seconds)

    @workflow
    async def flow(seconds: float) -> None:
        await waits(seconds)

    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, flow) as runtime:
            long = await runtime.start(flow, 60.0)
            await anyio.sleep(1)
            began = anyio.current_time()
            with pytest.raises(RunError, match="did not begin within"):
                await (await runtime.start(flow, 1.0)).result()
            assert anyio.current_time() - began == pytest.approx(3, abs=0.5)
            await long.result()
            await anyio.sleep(1)
            assert not folds(log, "one")[-1].held

    in_virtual_time(main)


def test_the_wait_takes_no_worker() -> None:
    @step
    async def other() -> str:
        return "done"

    @workflow
    async def plain() -> str:
        return await other()

    async def main() -> None:
        async with at_work(MemoryLog(), pays, plain, killed=True) as runtime:
            for n in range(20):
                await runtime.start(pays, str(n), 1000.0)
            began = anyio.current_time()
            assert await (await runtime.start(plain)).result() == "done"
            assert anyio.current_time() - began < 1

    in_virtual_time(main)


def test_a_paused_run_keeps_no_place_and_asks_again_after_resume() -> None:
    async def main() -> None:
        log = MemoryLog()
        async with at_work(log, pays) as runtime:
            for who in ("a", "b"):
                await runtime.start(pays, who, 10.0, id=who)
            await anyio.sleep(1)
            run = await runtime.start(pays, "c", 1.0, id="c")
            await anyio.sleep(1)
            assert len(folds(log, "two")[-1].queue) == 1
            await run.pause(wait=True)
            await anyio.sleep(20)
            assert [who for _, who in floor[0].begun] == ["a", "b"]
            assert (folds(log, "two")[-1].held, folds(log, "two")[-1].queue) == ({}, {})
            await run.resume()
            assert await run.result() == "c"

    in_virtual_time(main)


def test_a_key_that_cannot_be_told_fails_the_step_for_good() -> None:
    def unknown(who: str) -> str:
        raise KeyError(who)

    @step(limit=Limit("odd", concurrency=1, key=unknown), retry=Retry(attempts=3))
    async def odd(who: str) -> None: ...

    @workflow
    async def flow() -> None:
        await odd("x")

    async def main() -> None:
        async with at_work(MemoryLog(), flow) as runtime:
            with pytest.raises(RunError, match="key of a limit could not be told"):
                await (await runtime.start(flow)).result()

    in_virtual_time(main)


def test_what_makes_no_sense_is_refused_where_it_is_written() -> None:
    for wrong in (
        lambda: Limit("x"),
        lambda: Limit("no/slash", concurrency=1),
        lambda: Limit("x", concurrency=0),
        lambda: Limit("x", rate=(0, SECOND)),
        lambda: Limit("x", rate=(1, timedelta(0))),
        lambda: step(limit=Limit("x", concurrency=1, key=lambda a, b: a))(_alone),
    ):
        with pytest.raises(Invalid) as caught:
            wrong()
        assert caught.value.instead


async def _alone(a: str) -> None: ...


def test_two_bounds_under_one_name_are_refused_at_the_door() -> None:
    @step(limit=Limit("two", concurrency=3))
    async def another() -> None: ...

    @workflow
    async def flow() -> None:
        await another()

    with pytest.raises(Invalid, match="bound the same limit differently"):
        Runtime(MemoryLog().carrier(), [pays, flow], clock=NodeClock(), ids=SeededIds(stream_of_chance(1, "ids")), threads=InlineThreads(),
                ownership=OwnsAll("node", 1))
