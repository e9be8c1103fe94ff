"""Rule 18: a suspended run's code adds nothing to its log, what comes from outside is kept, and each build is tried once."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, Bench, killed_node, named, node, stream, until
from tests.semantics.clocks import HandClock, clocked

bench = Bench()


@step
async def slow() -> str:
    return await bench.held("slow")


@step
async def say(word: str) -> str:
    return word


@workflow(name="works")
async def written() -> list[str]:
    return [await say("a"), await slow(), await perdure.signal("go", str)]


@workflow(name="works")
async def broken() -> list[str]:
    return [await say("another"), await slow(), await perdure.signal("go", str)]


@pytest.mark.anyio
async def test_only_facts_from_outside_are_recorded_until_a_build_agrees() -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    log = MemoryLog()
    async with killed_node(log, written) as runtime:
        await runtime.start(written, id="r")
        await until(lambda: bench.begun)
    for epoch in (2, 3):
        async with killed_node(log, broken, epoch=epoch) as runtime:
            await until(lambda: "Suspended" in named(log, "r"))
            await runtime.run("r").signal("go", "on", command=str(epoch))
            await runtime.dispatcher.passivate()
            assert await runtime.run("r").status() == "suspended"
    behind = named(log, "r")[named(log, "r").index("Suspended") :]

    assert [name for name in behind if name != "Recovered"] == ["Suspended", "SignalReceived", "SignalReceived"]
    bench.go.set()
    async with node(log.carrier(4), written) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == ["a", "slow", "on"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert named(log, "r").count("Resumed") == 1


@workflow(name="listens")
async def listens() -> str:
    return await perdure.signal("go", str)


@workflow(name="listens")
async def listens_no_more() -> str:
    return await say("nobody waits")


@pytest.mark.anyio
async def test_a_build_that_agrees_is_tried_though_nobody_asks_for_the_run() -> None:
    log = MemoryLog()
    async with killed_node(log, listens) as runtime:
        await runtime.start(listens, id="r")
    async with killed_node(log, listens_no_more, epoch=2) as runtime:
        await runtime.run("r").status()
        await runtime.dispatcher.passivate()
        await runtime.alarm.sweep()
        turns = runtime.dispatcher.turns
        await runtime.alarm.sweep()

        assert runtime.dispatcher.turns == turns, "once a build is enough"
        assert named(log, "r").count("Suspended") == 1
    async with node(log.carrier(3), listens):
        await until(lambda: named(log, "r")[-1] == "Resumed")


@pytest.mark.anyio
async def test_a_suspended_run_is_out_of_time_when_its_deadline_says_so() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, listens) as runtime:
        await runtime.start(listens, id="r", deadline=timedelta(days=2))
    async with clocked(log, clock, listens_no_more) as runtime:
        assert await runtime.run("r").status() == "suspended"
        await runtime.dispatcher.passivate()
        clock.pass_by(2 * 86_400 + 1)
        runtime.alarm.confirm_clock()
        await until(lambda: named(log, "r")[-1] == "RunTimedOut")
