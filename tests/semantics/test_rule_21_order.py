"""Rule 21: signals of one name are taken first in, first out, from the run's start on; a race that is lost takes none."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, Bench, node, until

bench = Bench()


@step
async def slow() -> str:
    return await bench.held("slow")


@workflow
async def hears() -> list[str]:
    await slow()
    return [await perdure.signal("word", str) for _ in range(3)]


@workflow
async def races() -> list[str]:
    first = await perdure.first_of(perdure.signal("word", str), perdure.signal("other", str))
    return [first.value, await perdure.signal("word", str)]


@pytest.mark.anyio
async def test_what_came_before_the_code_asked_is_kept_in_its_order() -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    async with node(MemoryLog().carrier(), hears) as runtime:
        run = await runtime.start(hears, id="r")
        await until(lambda: bench.begun)
        for word in "abc":
            await run.signal("word", word)
        bench.go.set()

        assert await run.result(within=PATIENCE) == ["a", "b", "c"]


@pytest.mark.anyio
async def test_a_lost_race_takes_none() -> None:
    async with node(MemoryLog().carrier(), races) as runtime:
        run = await runtime.start(races, id="r")
        await run.signal("other", "won")
        await run.signal("word", "kept")

        assert await run.result(within=PATIENCE) == ["won", "kept"]
