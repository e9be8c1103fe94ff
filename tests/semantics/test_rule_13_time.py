"""Rule 13: now() is the time of the record being processed, and never goes back within a run."""

from __future__ import annotations

from datetime import datetime

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
