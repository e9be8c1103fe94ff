"""Rule 8: an awaited approval takes one ordinal of its branch, so approvals in one branch never shift another."""

from __future__ import annotations

import pytest

import perdure
from perdure import approval, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from tests.laws.node import events_of, node

pytestmark = pytest.mark.anyio


@step
async def pack() -> str:
    return "packed"


@workflow
async def mixed() -> None:
    await pack()
    await perdure.gather(asking("left", 2), asking("right", 1))
    _ = approval("made and not awaited")
    await asking("last", 1)


async def asking(name: str, times: int) -> None:
    for _ in range(times):
        await approval(name)


async def test_rule_8_an_approval_takes_one_ordinal_of_its_branch() -> None:
    log = MemoryLog()
    async with node(log.carrier(), mixed) as runtime:
        run = await runtime.start(mixed, id="one")
        while await run.status() == "running":
            for found in await run.approvals():
                await run.approve(found, by="Ada")

    ids = [(event.id, event.name) for event in events_of(log, "one") if isinstance(event, ev.ApprovalRequested)]
    assert ids == [("1.0/0", "left"), ("1.1/0", "right"), ("1.0/1", "left"), ("2", "last")]
