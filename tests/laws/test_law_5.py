"""Recovery is not a special path.

What is performed = what the facts want, minus what is in flight; after a start, a crash, a passivation and a takeover alike.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import perdure
from perdure import step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.run.commands import Wake
from tests.laws.node import AT_ONCE, PATIENCE, Bench, Flow, killed_node, named, node, rest, stream, until

pytestmark = pytest.mark.anyio


def trade(bench: Bench) -> Flow:
    """Two steps that are quick, one that is held, and one behind a signal."""

    @step
    async def quick(what: str) -> str:
        bench.attempt(what)
        return what

    @step
    async def slow(what: str) -> str:
        return await bench.held(what)

    @workflow(name="trade")
    async def flow() -> list[str]:
        together = await perdure.gather(quick("a"), slow("b"), quick("c"))
        return [*together, await quick(await perdure.signal("last", str))]

    return flow


ENDED = ["a", "b", "c", "d"]


async def both_quick_ones_recorded(log: MemoryLog) -> None:
    await until(lambda: stream("r") in log.streams and named(log, "r").count("StepCompleted") == 2)


async def completed(carrier: Carrier) -> int:
    """How many outcomes the log holds."""
    return sum([record.data.count(b"StepCompleted") async for record in carrier.log.read(stream("r"))])


async def test_after_a_start_everything_wanted_is_performed_once() -> None:
    bench = Bench()
    flow = trade(bench)
    bench.go.set()
    async with node(MemoryLog().carrier(), flow) as runtime:
        run = await runtime.start(flow, id="r")
        await run.signal("last", "d")

        assert await run.result(within=PATIENCE) == ENDED
    assert bench.count() == [1, 1, 1, 1]


async def test_after_a_crash_only_what_has_no_outcome_is_performed_again() -> None:
    bench, log = Bench(), MemoryLog()
    flow = trade(bench)
    async with killed_node(log, flow) as runtime:
        await runtime.start(flow, id="r")
        await both_quick_ones_recorded(log)
    bench.go.set()
    async with node(log.carrier(2), flow) as runtime:
        await runtime.run("r").signal("last", "d")

        assert await runtime.run("r").result(within=PATIENCE) == ENDED
    assert bench.count() == [1, 1, 1, 2], "the held step twice, under one key"


async def test_after_a_crash_of_the_process_a_file_says_the_same(tmp_path: Path) -> None:
    bench = Bench()
    flow = trade(bench)
    async with open_sqlite(tmp_path / "law.db") as carrier, node(carrier, flow, settings=AT_ONCE) as runtime:
        await runtime.start(flow, id="r")
        while await completed(carrier) < 2:
            await rest()
    bench.go.set()
    async with open_sqlite(tmp_path / "law.db") as carrier, node(carrier, flow) as runtime:
        await runtime.run("r").signal("last", "d")

        assert await runtime.run("r").result(within=PATIENCE) == ENDED
    assert bench.count() == [1, 1, 1, 2]


async def test_a_run_with_something_in_flight_is_not_passivated_and_a_wake_begins_nothing_twice() -> None:
    bench, log = Bench(), MemoryLog()
    flow = trade(bench)
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="r")
        await both_quick_ones_recorded(log)
        await rest()
        assert await runtime.dispatcher.passivate() == 0
        await runtime.dispatcher.ask(stream("r"), Wake())
        await rest()

        assert bench.count() == [1, 1, 1]
        bench.go.set()
        await until(lambda: named(log, "r").count("StepCompleted") == 3)
        await rest()
        assert await runtime.dispatcher.passivate() == 1
        assert not runtime.dispatcher.is_awake(stream("r"))
        await run.signal("last", "d")
        assert await run.result(within=PATIENCE) == ENDED
    assert bench.count() == [1, 1, 1, 1]


async def test_after_a_takeover_the_new_owner_performs_what_is_open_and_the_old_one_stops() -> None:
    bench, log = Bench(), MemoryLog()
    flow = trade(bench)
    async with node(log.carrier(1), flow, owner="old", settings=AT_ONCE) as old:
        await old.start(flow, id="r")
        await both_quick_ones_recorded(log)
        async with node(log.carrier(2), flow, owner="new") as new:
            await until(lambda: 2 in bench.attempts.values())
            with pytest.raises(perdure.Unavailable, match="another node owns"):
                await old.run("r").signal("last", "x")
            await until(lambda: bench.cancelled)
            bench.go.set()
            await new.run("r").signal("last", "d")

            assert await new.run("r").result(within=PATIENCE) == ENDED
    assert bench.count() == [1, 1, 1, 2]
    assert bench.cancelled == ["b"]
    assert named(log, "r").count("Recovered") == 1


async def test_a_retry_that_was_due_while_nobody_served_is_made_at_once() -> None:
    bench, log, first = Bench(), MemoryLog(), list[Runtime]()

    @step(retry=perdure.Retry(attempts=2, first=timedelta(milliseconds=1)))
    async def shaky() -> int:
        bench.attempt("shaky")
        if first:
            first.pop().pool.stopping = True  # from now on it begins nothing: the next attempt is another's
            raise ValueError("not yet")
        return 1

    @workflow
    async def flow() -> int:
        return await shaky()

    async with killed_node(log, flow) as runtime:
        first.append(runtime)
        await runtime.start(flow, id="r")
        await until(lambda: "StepFailed" in named(log, "r"))
    async with node(log.carrier(2), flow) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == 1

    assert bench.count() == [2]
