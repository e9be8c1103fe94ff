"""Rule 26 at size: ten thousand children of one parent, on a file. What is under way at once is bounded, and so is what it costs."""

from __future__ import annotations

import resource
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import perdure
from perdure import child, gather, step, workflow
from perdure.runtime.perform import courier
from perdure.runtime.run import errands
from perdure.runtime.run.events import CODEC
from tests.laws.node import stream

CHILDREN = 10_000
PATIENCE = timedelta(seconds=100)


@step
async def double(n: int) -> int:
    return 2 * n


@workflow
async def one(n: int) -> int:
    return await double(n)


@workflow
async def many(count: int) -> int:
    return sum(await gather(*[child(one, n) for n in range(count)]))


def megabytes() -> float:
    """The most memory that this process ever used."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024 * 1024 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False})], ids=["asyncio"])
async def test_ten_thousand_children_are_started_some_at_a_time_and_all_are_heard(tmp_path: Path) -> None:
    before, flying, awake = megabytes(), 0, 0
    async with perdure.open(f"sqlite:///{tmp_path / 'many.db'}", workflows=[many, one]) as runtime:
        run = await runtime.start(many, CHILDREN, id="p")
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                nonlocal flying, awake
                while True:
                    flying = max(flying, len(runtime.courier._flying.get(stream("p"), ())))
                    awake = max(awake, len(runtime.dispatcher.actors))
                    await anyio.sleep(0.01)

            group.start_soon(watch)
            assert await run.result(within=PATIENCE) == CHILDREN * (CHILDREN - 1)
            group.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE.total_seconds()):
            while runtime.courier._flying:  # noqa: ASYNC110 - the courier tells nobody that it rests
                await anyio.sleep(0.01)
        sizes = [len(CODEC.decode(record.data).events) async for record in runtime.carrier.log.read(stream("p"))]

        assert await runtime.alarm.sweep() == 0, "nothing is left to be done"
    assert flying <= errands.AT_ONCE
    assert awake < CHILDREN, "children that have ended leave memory while others start"
    assert max(sizes[1:]) <= 2 * errands.AT_ONCE + courier.AT_ONCE, "what arrives is recorded in turns of bounded size"
    assert megabytes() - before < 100
