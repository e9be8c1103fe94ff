"""What a difference between code and log is, and how it is told: found where changes of code were drawn by chance."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import sleep, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, Flow, events_of, killed_node, named, node, until

pytestmark = pytest.mark.anyio

LONG = timedelta(days=1)


@step
async def weigh(grams: int) -> int:
    return grams


@workflow(name="parcel")
async def weighed() -> int:
    grams = await weigh(10)
    return grams + await perdure.signal("more", int)


@workflow(name="parcel")
async def returns_early() -> int:
    return 0


@workflow(name="parcel")
async def breaks_early() -> int:
    raise ValueError("no scales")


async def stopped() -> None:
    await perdure.signal("stop")
    raise ValueError("stopped")


async def lost(*names: str) -> str:
    try:
        async with perdure.task_group() as group:
            for name in names:
                group.start(sleep(LONG), name=name)
            group.start(stopped(), name="c")
    except* ValueError:
        pass
    return await perdure.signal("end", str)


@workflow(name="race")
async def a_then_b() -> str:
    return await lost("a", "b")


@workflow(name="race")
async def b_then_a() -> str:
    return await lost("b", "a")


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (returns_early, "the end of the run (RunCompleted)"),
        (breaks_early, "the end of the run (RunFailed, ValueError: no scales)"),
    ],
)
async def test_code_that_ends_too_early_is_told_beside_what_the_log_holds_instead(build: Flow, found: str) -> None:
    log = MemoryLog()
    async with killed_node(log, weighed) as runtime:
        await runtime.start(weighed, id="r")
        await until(lambda: "StepCompleted" in named(log, "r"))
    async with node(log.carrier(2), build) as runtime:
        await runtime.run("r").look()
    (told,) = [event for event in events_of(log, "r") if isinstance(event, ev.Suspended)]

    assert (told.where, told.expected, told.found) == ("after the start", "step 'weigh' as 0, arguments [10]", found)


async def test_effects_may_be_abandoned_in_another_order() -> None:
    log = MemoryLog()
    async with killed_node(log, a_then_b) as runtime:
        await runtime.start(a_then_b, id="r")
        await runtime.run("r").signal("stop")
        await until(lambda: "EffectsAbandoned" in named(log, "r"))
    async with node(log.carrier(2), b_then_a) as runtime:
        await runtime.run("r").signal("end", "over")

        assert await runtime.run("r").result(within=PATIENCE) == "over"
    assert "Suspended" not in named(log, "r")
