"""A run may begin later, and must end in time: both are facts of its log, and outlive the process."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import Invalid, RunError, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from perdure.runtime.requests import StartRun
from tests.laws.node import PATIENCE, killed_node, named, node, stream, until


@workflow
async def hears(count: int) -> list[str]:
    return [await perdure.signal("word", str) for _ in range(count)]


@workflow
async def outer() -> None:
    await perdure.signal("never")


@pytest.mark.anyio
async def test_a_delayed_run_begins_when_it_is_due_with_the_signals_that_came_before() -> None:
    log = MemoryLog()
    async with node(log.carrier(), hears) as runtime:
        run = await runtime.start(hears, 2, id="r", delay=timedelta(milliseconds=40))
        await run.signal("word", "early")

        assert await run.status() == "delayed"

        await until(lambda: "Resumed" in named(log, "r"))
        await run.signal("word", "late")

        assert await run.result(within=PATIENCE) == ["early", "late"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_a_delay_outlives_the_process() -> None:
    log = MemoryLog()
    async with killed_node(log, hears) as runtime:
        await runtime.start(hears, 0, id="r", delay=timedelta(milliseconds=30))
    async with node(log.carrier(2), hears) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == []


@pytest.mark.anyio
async def test_a_deadline_outlives_the_process_and_ends_the_run() -> None:
    log = MemoryLog()
    async with killed_node(log, outer) as runtime:
        await runtime.start(outer, id="r", deadline=timedelta(milliseconds=50))
    async with node(log.carrier(2), outer) as runtime:
        with pytest.raises(RunError) as ended:
            await runtime.run("r").result(within=PATIENCE)

    assert ended.value.status == "timed_out"
    assert named(log, "r")[-1] == "RunTimedOut"


@pytest.mark.anyio
async def test_a_run_that_ends_in_time_is_left_in_peace() -> None:
    log = MemoryLog()
    async with node(log.carrier(), hears) as runtime:
        run = await runtime.start(hears, 0, id="r", deadline=timedelta(milliseconds=20))

        assert await run.result(within=PATIENCE) == []
        assert log.summaries[stream("r")].head.wake_at is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("delay", "deadline"), [(-1.0, None), (math.inf, None), (math.nan, None), (0.0, 0.0), (0.0, -1.0), (5.0, 4.0), (0.0, math.inf)]
)
async def test_times_that_make_no_sense_are_refused_at_the_door(delay: float, deadline: float | None) -> None:
    log = MemoryLog()
    async with node(log.carrier(), outer) as runtime:
        with pytest.raises(Invalid, match="times of a start"):
            await runtime.do(StartRun(workflow="outer", run="r", delay=delay, deadline=deadline))
    assert log.records == []


@pytest.mark.anyio
async def test_an_unknown_way_to_meet_a_taken_id_is_refused_at_the_door() -> None:
    async with node(MemoryLog().carrier(), outer) as runtime:
        sometimes: Any = "sometimes"
        with pytest.raises(Invalid, match="something unknown"):
            await runtime.start(outer, id="r", reuse=sometimes)
