"""Rule 34, first half: while workflow code runs there is no event loop, so a task of its own fails at once, before it ran."""

from __future__ import annotations

import asyncio

import pytest

import perdure
from perdure import RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, named, node

ran: list[str] = []


async def unrecorded() -> None:
    ran.append("unrecorded")


@step
async def recorded() -> None:
    await asyncio.create_task(unrecorded())


@workflow
async def makes_a_task() -> None:
    await asyncio.create_task(unrecorded())


@workflow
async def asks_a_step() -> None:
    await recorded()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_task_is_refused_in_a_workflow_and_allowed_in_a_step() -> None:
    ran.clear()
    log = MemoryLog()
    async with node(log.carrier(), makes_a_task, asks_a_step) as runtime:
        with pytest.raises(RunError) as ended:
            await (await runtime.start(makes_a_task, id="r")).result(within=PATIENCE)
        assert ran == []
        await (await runtime.start(asks_a_step, id="s")).result(within=PATIENCE)

    assert ended.value.failure is not None
    assert ended.value.failure.type == perdure.ForeignAwait.__name__
    assert named(log, "r") == ["RunStarted", "RunFailed"]
    assert ran == ["unrecorded"]
