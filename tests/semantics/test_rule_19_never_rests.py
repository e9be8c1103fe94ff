"""Rule 19: workflow code that never rests is stopped by a cap on what it may await in one turn, and holds up nobody else."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from perdure.runtime.run.machine import driver
from tests.laws.node import PATIENCE, events_of, named, node, rest

pytestmark = pytest.mark.anyio

CAP = 1_000
turns: list[int] = []


@pytest.fixture(autouse=True)
def _a_low_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test need not take a hundred thousand."""
    assert driver.EFFECTS_PER_REST_MAX == 100_000
    monkeypatch.setattr(driver, "EFFECTS_PER_REST_MAX", CAP)
    turns.clear()


@step
async def note(word: str) -> str:
    return word


async def nothing() -> None:
    return None


@workflow
async def restless() -> None:
    await note("before")
    while len(turns) < 10 * CAP:  # a test that finds no cap ends, too
        turns.append(1)
        await perdure.gather(nothing())


@workflow
async def busy(awaits: int) -> str:
    """Much at once, but it rests in the end."""
    for _ in range(awaits):
        await perdure.gather()
    return await note("rested")


@workflow
async def healthy() -> int:
    return await perdure.signal("n", int)


async def test_code_that_never_rests_is_suspended_and_told_where_and_the_others_go_on() -> None:
    log = MemoryLog()
    async with node(log.carrier(), restless, healthy) as runtime:
        other = await runtime.start(healthy, id="other")
        run = await runtime.start(restless, id="one")
        await other.signal("n", 1)
        assert await other.result(within=PATIENCE) == 1
        while await run.status() == "running":
            await rest()
        assert await run.status() == "suspended"

    (suspended,) = [event for event in events_of(log, "one") if isinstance(event, ev.Suspended)]
    assert suspended.message == "the workflow never rests"
    assert suspended.where.endswith(("in restless", "in nothing"))
    assert (suspended.expected, suspended.instead) == (
        f"at most {CAP} awaits between two waits for something outside", "put a step or a sleep into the loop",
    )  # fmt: skip
    assert len(turns) <= CAP
    assert named(log, "one") == ["RunStarted", "StepScheduled", "StepCompleted", "Suspended"]


async def test_much_in_one_turn_is_no_offence() -> None:
    async with node(MemoryLog().carrier(), busy) as runtime:
        assert await (await runtime.start(busy, CAP // 2)).result(within=PATIENCE) == "rested"
