"""Rule 35 under crashes: a blob is durable before the event that names it; one that nothing names yet is harmless."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.blobs import Blob, content_of, named_in
from perdure.eventlog.errors import Corrupt, Unavailable
from perdure.eventlog.faults import Fault, FaultyLog, Script
from perdure.eventlog.memory import MemoryBlobs, MemoryLog
from perdure.runtime.settings.node import Settings
from perdure.testing import Simulation, Weather
from tests.runtime.serving import PATIENCE, serving

SIZE = 150_000


@step
async def make(letter: str) -> str:
    return letter * SIZE


@step
async def measure(text: str) -> int:
    return len(text)


@step(retry=perdure.Retry(attempts=20, first=timedelta(milliseconds=100)))
async def report(text: str) -> int:
    """Its own code writes to the blobs, so where these are away, it is tried again."""
    async with perdure.current().artifact("report") as out:
        await out.write(text.encode())
    return len(text)


@workflow
async def through(given: str) -> str:
    """Large: the input, results, arguments, a signal, an artifact, the result."""
    one, other = await perdure.gather(make("a"), make("b"))
    told = await perdure.signal("more", str)
    sizes = await perdure.gather(measure(one + given), report(other + told))
    return f"{sizes} {perdure.artifact('report').size} " + one


RESULT = f"({2 * SIZE}, {2 * SIZE}) {2 * SIZE} " + "a" * SIZE


def test_a_crash_after_every_blob_and_every_event_leaves_the_same_run() -> None:
    outcome = Simulation(1).run(through, "g" * SIZE, crash_after_every_append=True, signals=[(1.0, "more", "m" * SIZE)])

    assert outcome.value == RESULT
    assert outcome.crashes > 10


@pytest.mark.parametrize("seed", range(4))
def test_crashes_lost_replies_and_reads_that_fail_leave_the_same_run(seed: int) -> None:
    weather = Weather(
        nodes={"crash": 0.3, "pause": 0.1, "usurp": 0.2},
        log={"crash_before": 0.05, "crash_after": 0.05, "lost_reply": 0.05, "refusal": 0.05, "slow_before": 0.05, "conflict": 0.05},
        unreadable=0.1,
        seconds=40,
    )
    outcome = Simulation(seed, nodes=2).run(through, "g" * SIZE, weather=weather, signals=[(5.0, "more", "m" * SIZE)])

    assert outcome.value == RESULT


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(1, 9))
async def test_at_no_moment_does_an_event_name_a_blob_that_is_not_there(number: int) -> None:
    log = MemoryLog()
    door = FaultyLog(log, Script({number: Fault("crash_before")}))
    try:
        async with serving(through, carrier=door.carrier(), settings=Settings(drain_seconds=0.05)) as runtime:
            run = await runtime.start(through, "g" * SIZE, id="r")
            await run.signal("more", "m" * SIZE)
            await run.result(within=PATIENCE / 50)
    except Unavailable:
        pass  # the client crashed

    await all_are_there(log)
    async with serving(through, carrier=log.carrier(2)) as runtime:
        run = await runtime.start(through, "g" * SIZE, id="r")
        await run.signal("more", "m" * SIZE, command="once")
        assert (await run.result(within=PATIENCE)).endswith("a" * SIZE)
    await all_are_there(log)


async def all_are_there(log: MemoryLog) -> None:
    for record in log.records:
        for blob in named_in(record.data):
            await content_of(MemoryBlobs(log), record.stream, blob)


@pytest.mark.anyio
async def test_what_a_crash_left_behind_unnamed_goes_with_its_run() -> None:
    log = MemoryLog()
    async with serving(through, log=log) as runtime:
        orphan = await runtime.carrier.blobs.put("run/default/r", b"written, and then the lights went out")
        run = await runtime.start(through, "g" * SIZE, id="r")
        await run.signal("more", "m" * SIZE)
        assert await run.result(within=PATIENCE) == RESULT

        await runtime.carrier.blobs.delete("run/default/r")
    with pytest.raises(Corrupt):
        await content_of(MemoryBlobs(log), "run/default/r", Blob(orphan.digest, orphan.size))
    assert "run/default/r" not in log.blobs
