"""Rule 27: an attempt sees the heartbeat details of the attempt before; one that is silent for too long is cancelled and has failed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import anyio
import pytest

from perdure import Invalid, Retry, RunError, current, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import StepFailed, StepHeartbeat
from tests.laws.node import PATIENCE, Bench, events_of, killed_node, node, until

pytestmark = pytest.mark.anyio

SILENCE = timedelta(milliseconds=80)
AGAIN = timedelta(milliseconds=1)

bench: list[Bench] = []
seen: list[Any] = []
gate = threading.Event()


@pytest.fixture(autouse=True)
def fresh() -> None:
    bench[:] = [Bench()]
    seen.clear()
    gate.clear()


def beats(log: MemoryLog) -> list[bytes]:
    return [bytes(event.details) for event in events_of(log, "one") if isinstance(event, StepHeartbeat)]


@step(heartbeat_timeout=SILENCE, retry=Retry(attempts=2, first=AGAIN))
async def climb() -> str:
    me = current()
    seen.append(me.last_heartbeat)
    if me.attempt == 1:
        me.heartbeat({"height": 7})
        await anyio.sleep_forever()
    return "up"


@workflow
async def climbs() -> str:
    return await climb()


async def test_a_silent_attempt_is_cancelled_and_the_next_one_knows_how_far_it_came() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), climbs) as runtime:
        assert await (await runtime.start(climbs, id="one")).result(within=PATIENCE) == "up"

    (failed,) = (event for event in events_of(log, "one") if isinstance(event, StepFailed))
    assert failed.error.message == "the attempt was silent for longer than 0:00:00.080000"
    assert seen == [None, {"height": 7}]


@step(heartbeat_timeout=SILENCE)
async def long_way() -> str:
    me = current()
    for place in range(20):
        me.heartbeat(place)
        await anyio.sleep(SILENCE.total_seconds() / 8)
    return "there"


@workflow
async def far() -> str:
    return await long_way()


async def test_an_attempt_that_tells_of_itself_may_take_long_and_few_of_its_heartbeats_are_recorded() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), far) as runtime:
        assert await (await runtime.start(far, id="one")).result(within=PATIENCE) == "there"

    assert 1 <= len(beats(log)) <= 10


@step(heartbeat_timeout=SILENCE, retry=Retry(attempts=2, first=AGAIN))
async def stumble() -> str:
    seen.append(current().last_heartbeat)
    if current().attempt == 1:
        current().heartbeat("nearly")
        raise ConnectionError("down")
    return "up"


@workflow
async def stumbles() -> str:
    return await stumble()


async def test_the_last_heartbeat_of_an_attempt_that_failed_at_once_is_not_lost() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), stumbles) as runtime:
        assert await (await runtime.start(stumbles, id="one")).result(within=PATIENCE) == "up"

    assert seen == [None, "nearly"]
    assert beats(log) == [b'"nearly"']


@step(heartbeat_timeout=SILENCE)
async def held() -> str:
    seen.append(current().last_heartbeat)
    while not bench[0].go.is_set():
        current().heartbeat(len(seen))
        await anyio.sleep(0.005)
    return "done"


@workflow
async def holds() -> str:
    return await held()


async def test_the_details_survive_a_crash() -> None:
    log = MemoryLog()
    async with killed_node(log, holds) as runtime:
        await runtime.start(holds, id="one")
        await until(lambda: beats(log))
    bench[0].go.set()
    async with node(log.carrier(2), holds) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "done"
    assert seen == [None, 1]


@step(heartbeat_timeout=SILENCE)
def work_in_a_thread() -> str:
    for place in range(20):
        current().heartbeat(place)
        gate.wait(SILENCE.total_seconds() / 8)
    return "worked"


@workflow
async def threads() -> str:
    return await work_in_a_thread()


async def test_a_thread_tells_of_itself_too() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), threads) as runtime:
        assert await (await runtime.start(threads, id="one")).result(within=PATIENCE) == "worked"
    assert beats(log)


@step(heartbeat_timeout=SILENCE)
def silent_thread() -> str:
    return "late" if gate.wait(10) else "never"


@workflow
async def silent() -> str:
    return await silent_thread()


async def test_a_silent_thread_fails_once_it_returns() -> None:
    async with node(MemoryLog().carrier(1), silent) as runtime:
        run = await runtime.start(silent)
        await anyio.sleep(2 * SILENCE.total_seconds())
        gate.set()
        with pytest.raises(RunError, match="silent for longer"):
            await run.result(within=PATIENCE)


async def test_a_heartbeat_to_which_nobody_listens_is_refused() -> None:
    @step
    async def unheard() -> None:
        current().heartbeat(1)

    @workflow
    async def flow() -> None:
        await unheard()

    async with node(MemoryLog().carrier(1), flow) as runtime:
        with pytest.raises(RunError, match="nobody listens"):
            await (await runtime.start(flow)).result(within=PATIENCE)


async def test_details_that_would_not_come_back_are_refused_where_they_are_told() -> None:
    @step(heartbeat_timeout=SILENCE)
    async def strange() -> str:
        try:
            current().heartbeat({1, 2})
        except Invalid:
            return "refused"
        return "taken"

    @workflow
    async def flow() -> str:
        return await strange()

    async with node(MemoryLog().carrier(1), flow) as runtime:
        assert await (await runtime.start(flow)).result(within=PATIENCE) == "refused"
