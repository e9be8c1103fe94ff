"""Rule 42: code is closed only by us: what its cleanup awaits when it leaves memory is refused, never performed; recursion suspends."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, named, node, stream, until

done: list[str] = []
refused: list[str] = []


@step
async def tidy(what: str) -> None:
    done.append(what)


@workflow
async def cleans_up() -> str:
    try:
        return await perdure.signal("go", str)
    finally:
        try:
            await tidy("up")
        except BaseException as error:
            refused.append(type(error).__name__)
            raise


async def falls(depth: int) -> None:
    await falls(depth + 1)


@workflow
async def recurses() -> None:
    await perdure.signal("go")
    await falls(0)


@pytest.mark.anyio
async def test_cleanup_at_passivation_is_refused_and_at_the_end_performed() -> None:
    done.clear()
    refused.clear()
    log = MemoryLog()
    async with node(log.carrier(), cleans_up) as runtime:
        run = await runtime.start(cleans_up, id="r")
        before = named(log, "r")
        await runtime.dispatcher.passivate()
        assert (done, len(refused)) == ([], 1)
        assert named(log, "r") == before
        await run.signal("go", "on")

        assert await run.result(within=PATIENCE) == "on"
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert done == ["up"]


@pytest.mark.anyio
async def test_recursion_suspends_the_run_and_records_nothing_else() -> None:
    log = MemoryLog()
    async with node(log.carrier(), recurses) as runtime:
        run = await runtime.start(recurses, id="r")
        await run.signal("go")
        await until(lambda: "Suspended" in named(log, "r"))

        assert await run.status() == "suspended"
    assert named(log, "r") == ["RunStarted", "SignalReceived", "Suspended"]
