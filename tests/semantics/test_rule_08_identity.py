"""Rule 8: an effect is named by its branch and its place in it; words that are not awaited take no place."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import StepScheduled, TimerSet
from tests.laws.node import PATIENCE, events_of, node


@step
async def say(word: str) -> str:
    return word


async def helper() -> None:
    await say("in a helper")


@workflow
async def talks(more: bool) -> None:
    perdure.now()
    perdure.random().random()
    perdure.uuid()
    perdure.log("a line")
    perdure.attributes(a=1)
    perdure.patched("way")
    await say("first")
    await perdure.sleep(timedelta(0))
    await helper()

    async def branch(name: str) -> None:
        for number in range(2 if more and name == "a" else 1):
            await say(f"{name}{number}")

    await perdure.gather(branch("a"), branch("b"))
    async with perdure.task_group() as group:
        group.start(branch("c"), name="named")
        group.start(branch("d"))
    await say("last")


async def ids(*, more: bool) -> dict[str, str]:
    """What the code asked for, and under which id."""
    log = MemoryLog()
    async with node(log.carrier(), talks) as runtime:
        await (await runtime.start(talks, more, id="r")).result(within=PATIENCE)
    found = [event for event in events_of(log, "r") if isinstance(event, StepScheduled | TimerSet)]
    return {bytes(event.args).decode() if isinstance(event, StepScheduled) else "sleep": event.id for event in found}


@pytest.mark.anyio
async def test_every_effect_has_the_id_of_its_place() -> None:
    assert await ids(more=False) == {
        '["first"]': "0",
        "sleep": "1",
        '["in a helper"]': "2",
        '["a0"]': "3.0/0",
        '["b0"]': "3.1/0",
        '["c0"]': "4.named/0",
        '["d0"]': "4.1/0",
        '["last"]': "5",
    }


@pytest.mark.anyio
async def test_a_step_more_in_one_branch_shifts_no_other() -> None:
    fewer, more = await ids(more=False), await ids(more=True)

    assert {what: more[what] for what in fewer} == fewer
    assert set(more) - set(fewer) == {'["a1"]'}
