"""Rule 18: a suspended run's code adds nothing to its log, what comes from outside is kept, and each build is tried once."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, Bench, killed_node, named, node, stream, until

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
