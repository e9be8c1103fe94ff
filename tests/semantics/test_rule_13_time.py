"""Rule 13: now() is the time of the record being processed, and never goes back within a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import perdure
from perdure import workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.words import moment
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import CODEC
from tests.laws.node import PATIENCE, node, stream
from tests.semantics.clocks import HandClock, clocked


@workflow
async def looks_at_the_clock() -> list[datetime]:
    seen = [perdure.now(), perdure.now()]
    for _ in range(3):
        await perdure.signal("tick")
        seen.append(perdure.now())
    return seen


@workflow
async def waits_for_good() -> str:
    await perdure.first_of(
        perdure.approval("ever", timeout=timedelta.max),
        perdure.sleep(timedelta.max),
        perdure.sleep_until(datetime.max.replace(tzinfo=UTC)),
        perdure.signal("end"),
    )
    return "ended"


@pytest.mark.anyio
async def test_a_wait_beyond_the_end_of_the_calendar_lasts_a_thousand_years_and_can_be_looked_at() -> None:
    log = MemoryLog()
    async with node(log.carrier(), waits_for_good) as runtime:
        run = await runtime.start(waits_for_good, id="r")
        (asked,) = await run.approvals()
        assert asked.expires is not None
        assert asked.expires.year > 3000
        assert (await run.look()).status == "running"
        assert [found.name for found in (await runtime.approvals()).approvals] == ["ever"]
        await run.signal("end")
        assert await run.result(within=PATIENCE) == "ended"
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_it_is_the_time_of_the_record_and_never_goes_back() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, looks_at_the_clock) as runtime:
        run = await runtime.start(looks_at_the_clock, id="r")
        for seconds in (5, -3600, 7):
            clock.jump(seconds)
            await run.signal("tick")
        seen = await run.result(within=PATIENCE)
    times = [CODEC.decode(record.data).at for record in log.streams[stream("r")]]

    assert times == sorted(times)
    assert seen == [moment(times[0]), *(moment(at) for at in times)]
    async with node(log.carrier(2), looks_at_the_clock) as runtime:
        assert (await replay(log, stream("r"), runtime.registry)).agrees
