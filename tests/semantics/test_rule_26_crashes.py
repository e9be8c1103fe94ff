"""Rule 26 under crashes: after every write, at random, and with several nodes, parents and children come to the same end."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import perdure
from perdure import ChildError, attach, child, first_of, gather, sleep, start_child, step, timeout, workflow
from perdure.runtime.run import events as ev
from perdure.testing import Simulation


@step
async def work(n: int) -> int:
    await anyio.sleep(1)
    if n < 0:
        raise perdure.Fatal("below zero")
    return n * n


@workflow
async def square(n: int) -> int:
    return await work(n)


@workflow
async def slowly() -> str:
    await sleep(timedelta(days=1))
    return "slowly"


@workflow
async def family(n: int) -> list[object]:
    """Every way to have a child."""
    squares = await gather(*(child(square, number) for number in range(n)))
    handle = await start_child(square, 7)
    again = await attach(handle.id, int)
    race = await first_of(child(slowly), child(square, 3))
    try:
        await child(square, -1)
    except ChildError as error:
        return [*squares, await handle.result(), again, race.index, race.value, error.message]
    return []


EXPECTED = [0, 1, 4, 49, 49, 1, 9, "step 'work' failed: Fatal: below zero"]


def test_a_crash_after_every_write_changes_nothing() -> None:
    outcome = Simulation(1).run(family, 3, also=[square, slowly], crash_after_every_append=True)

    assert outcome.value == EXPECTED
    assert outcome.crashes > 20
    assert sum(isinstance(event, ev.ChildEnded) for event in outcome.events) == 7


@pytest.mark.parametrize("seed", range(6))
def test_crashes_at_random_on_several_nodes_change_nothing(seed: int) -> None:
    outcome = Simulation(seed, nodes=1 + seed % 3).run(family, 3, also=[square, slowly], crash_at_random=True)

    assert outcome.value == EXPECTED


@workflow
async def limited() -> str:
    try:
        async with timeout(timedelta(hours=1)):
            return await child(slowly)
    except TimeoutError:
        await sleep(timedelta(hours=1))
        return "too slow"


def test_a_limit_of_time_leaves_the_child_that_it_strikes() -> None:
    outcome = Simulation(1).run(limited, also=[slowly], crash_after_every_append=True)

    assert outcome.value == "too slow"
    assert [type(event) for event in outcome.events if isinstance(event, ev.ChildReleased | ev.ChildEnded)] == [ev.ChildReleased]
