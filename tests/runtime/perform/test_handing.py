"""What a node does when parts of the streams come and go while it serves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

import perdure
from perdure import Unavailable, step, workflow
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import partition_of, stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.perform.handing import Handover
from perdure.runtime.settings.node import Settings
from tests.laws.node import Bench, named, until

pytestmark = pytest.mark.anyio

PARTITIONS = 2


class Held:
    """Ownership in the hand of a test."""

    def __init__(self, owner: str, **held: int) -> None:
        self.owner = owner
        self.held = {int(part.removeprefix("p")): epoch for part, epoch in held.items()}
        self.released: list[int] = []
        self.prepared: list[dict[int, bool]] = []
        """Of each preparation: the parts, and whether they were still held."""
        self.is_away = False

    def epoch(self, stream: str) -> int | None:
        return self.held.get(self.part_of(stream))

    def part_of(self, stream: str) -> int:
        return partition_of(stream, PARTITIONS)

    async def prepare(self, parts: Collection[int]) -> None:
        self.prepared.append({part: part in self.held for part in parts})
        if self.is_away:
            raise Unavailable("away")

    def disown(self, parts: Collection[int]) -> None:
        for part in parts:
            del self.held[part]

    async def release(self, parts: Collection[int]) -> None:
        self.released += parts


@asynccontextmanager
async def node(log: MemoryLog, ownership: Held, *workflows: Any, seconds: float = 10.0) -> AsyncGenerator[tuple[Runtime, Handover]]:
    settings = Settings(drain_seconds=0.0)
    runtime = Runtime(
        log.carrier(), workflows, clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=ownership, settings=settings
    )
    handover = Handover(runtime, ownership, seconds=seconds)
    with anyio.fail_after(10):
        async with runtime.serving(), anyio.create_task_group() as group:
            group.start_soon(handover.serve)
            yield runtime, handover
            group.cancel_scope.cancel()


def in_part(part: int, name: str) -> str:
    """An id of a run in a partition."""
    return next(id for id in (f"{name}{n}" for n in range(100)) if partition_of(stream_of("run", "default", id), PARTITIONS) == part)


def flows(bench: Bench) -> Any:
    @step
    async def slow() -> str:
        return await bench.held("slow")

    @step
    async def quick() -> str:
        bench.attempt("quick")
        return "quick"

    @workflow
    async def slow_then_quick() -> str:
        return f"{await slow()}, {await quick()}"

    return slow_then_quick


async def test_a_part_that_is_lost_is_forgotten_and_its_steps_are_told_to_stop_while_the_others_go_on() -> None:
    bench, log, held = Bench(), MemoryLog(), Held("first", p0=1, p1=1)
    flow = flows(bench)
    async with node(log, held, flow) as (runtime, _):
        lost, kept = await runtime.start(flow, id=in_part(0, "a")), await runtime.start(flow, id=in_part(1, "b"))
        await until(lambda: len(bench.attempts) == 2)
        held.disown([0])
        await runtime.lost(lambda stream: held.part_of(stream) == 0)

        assert list(runtime.dispatcher.actors) == [stream_of("run", "default", kept.id)]
        with pytest.raises(Unavailable, match="another node owns"):
            await lost.signal("any")
        await until(lambda: bench.cancelled == ["slow"])
        bench.go.set()
        assert await kept.result() == "slow, quick"
        assert named(log, lost.id) == ["RunStarted", "StepScheduled"]


async def test_who_waits_for_the_end_of_a_run_that_is_lost_is_told_so_though_nothing_of_it_is_in_memory() -> None:
    log, held, told = MemoryLog(), Held("first", p0=1), list[str]()

    @workflow
    async def wait() -> None:
        await perdure.signal("never")

    async with node(log, held, wait) as (runtime, _), anyio.create_task_group() as group:

        async def wait_for(run: Any) -> None:
            with pytest.raises(Unavailable, match="another node owns the run now"):
                await run.result()
            told.append("told")

        group.start_soon(wait_for, await runtime.start(wait, id=in_part(0, "a")))
        await anyio.wait_all_tasks_blocked()
        await runtime.dispatcher.passivate()
        assert not runtime.dispatcher.actors
        held.disown([0])
        await runtime.lost(lambda stream: True)
    assert told == ["told"]


async def test_a_part_that_is_won_is_swept_and_its_steps_run_again() -> None:
    bench, log = Bench(), MemoryLog()
    flow, run = flows(bench), in_part(0, "a")
    async with node(log, Held("first", p0=1), flow) as (first, _):
        await first.start(flow, id=run)
        await until(lambda: bench.begun)
    held = Held("second")
    async with node(log, held, flow) as (second, _):
        bench.go.set()
        held.held[0] = 2
        await second.won()
        assert await second.run(run).result() == "slow, quick"
    assert bench.count() == [1, 2]
    assert "Recovered" in named(log, run)


async def test_a_part_that_is_handed_over_goes_at_once_where_nothing_runs_and_else_when_its_steps_have_ended() -> None:
    bench, log, held = Bench(), MemoryLog(), Held("first", p0=1, p1=1)
    flow = flows(bench)
    async with node(log, held, flow) as (runtime, handover):
        run = await runtime.start(flow, id=in_part(0, "a"))
        await until(lambda: bench.begun)
        handover.begin([0, 1])
        await until(lambda: held.released == [1])
        await run.signal("any")  # it is served as ever until it goes
        bench.go.set()
        await handover.finish()

        assert held.released == [1, 0]
        assert not bench.cancelled
        assert "quick" not in bench.begun
        assert named(log, run.id) == ["RunStarted", "StepScheduled", "SignalReceived", "StepCompleted", "StepScheduled"]
    async with node(log, Held("second", p0=2), flow) as (second, _):
        assert await second.run(run.id).result() == "slow, quick"
    assert bench.count() == [1, 1]


async def test_what_still_runs_when_patience_ends_is_cut_short() -> None:
    bench, log, held = Bench(), MemoryLog(), Held("first", p0=1)
    flow = flows(bench)
    async with node(log, held, flow, seconds=0.05) as (runtime, handover):
        await runtime.start(flow, id=in_part(0, "a"))
        await until(lambda: bench.begun)
        handover.begin([0])
        await handover.finish()
        await until(lambda: bench.cancelled)
    assert held.released == [0]


async def test_a_part_that_comes_back_begins_steps_again() -> None:
    bench, log, held = Bench(), MemoryLog(), Held("first", p0=1)
    flow = flows(bench)
    bench.go.set()
    async with node(log, held, flow) as (runtime, handover):
        handover.begin([0])
        await handover.finish()
        held.held[0] = 2
        await runtime.won()
        assert await (await runtime.start(flow, id=in_part(0, "a"))).result() == "slow, quick"


async def test_nothing_is_read_for_a_stream_that_another_node_owns() -> None:
    loaded: list[str] = []

    class Watched(MemoryLog):
        async def load(self, after: Any) -> Any:
            loaded.extend(after)
            return await super().load(after)

    async with node(Watched(), Held("first")) as (runtime, _):
        with pytest.raises(Unavailable, match="another node owns"):
            await runtime.run("a").cancel()
    assert loaded == []


async def test_a_turn_waits_at_the_gate_of_a_node_that_doubts() -> None:
    bench, log, held = Bench(), MemoryLog(), Held("first", p0=1, p1=1)
    flow, sure = flows(bench), anyio.Event()
    bench.go.set()
    async with node(log, held, flow) as (runtime, _), anyio.create_task_group() as group:
        runtime.dispatcher.gate = sure.wait
        group.start_soon(partial(runtime.start, flow, id="a"))
        await anyio.wait_all_tasks_blocked()
        assert not log.records
        sure.set()
        assert await runtime.run("a").result() == "slow, quick"


async def test_a_part_that_is_ours_anew_before_it_was_let_go_of_begins_its_steps() -> None:
    log, held = MemoryLog(), Held("first", p0=1)

    @step
    async def quick() -> str:
        return "quick"

    @workflow
    async def signal_then_quick() -> str:
        await perdure.signal("go")
        return await quick()

    async with node(log, held, signal_then_quick) as (runtime, handover):
        run, lost = await runtime.start(signal_then_quick, id=in_part(0, "a")), runtime.lost

        async def lost_and_won(is_lost: Any) -> None:
            await lost(is_lost)
            held.held[0] = 2
            handover.win([0])

        runtime.lost = lost_and_won  # type: ignore[method-assign]
        handover.begin([0])
        await until(lambda: held.held == {0: 2})
        await run.signal("go")

        assert await run.result() == "quick"
        assert held.released == []


@pytest.mark.parametrize("is_away", [False, True])
async def test_parts_that_are_to_go_are_prepared_once_while_they_are_still_served(is_away: bool) -> None:
    held = Held("first", p0=1, p1=1)
    held.is_away = is_away
    async with node(MemoryLog(), held) as (_, handover):
        handover.begin([0, 1])
        handover.begin([0, 1])
        await handover.finish()

    assert held.prepared == [{0: True, 1: True}]
    assert sorted(held.released) == [0, 1]
