"""Rule 39: in the background what is kept of an actor is held against its log; what differs is thrown away, and told of."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from msgspec.structs import replace

import perdure
from perdure import Corrupt, Settings, step, workflow
from perdure.eventlog.codec import Event
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.snapshots import Snapshot
from perdure.runtime.kinds.quarantine import Differed, Quarantine, Quarantined, quarantine_of
from perdure.runtime.run.live import Run
from tests.laws.node import PATIENCE, named, node, stream, until

OFTEN = Settings(audit_seconds=0.001)
KIND = Quarantine(lambda stream: None)


@step
async def one() -> int:
    return 1


@workflow
async def long(steps: int) -> int:
    total = 0
    for _ in range(steps):
        total += await one()
    return total + await perdure.signal("more", int)


def recorded(log: MemoryLog, run: str = "r") -> list[Event]:
    """What the quarantine actor of the run knows of it."""
    return [event for record in log.streams.get(quarantine_of(stream(run)), ()) for event in KIND.codec.decode(record.data).events]


@pytest.fixture
def caplog_of_errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.ERROR, "perdure")
    return caplog


@pytest.mark.anyio
async def test_a_snapshot_that_differs_is_dropped_and_recorded(caplog_of_errors: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with node(log.carrier(), long) as runtime:
        await runtime.start(long, 60, id="r")
        await until(lambda: named(log, "r").count("StepCompleted") == 60)
    kept = log.snapshots[stream("r")]
    forged = kept.data.replace(b'"recoveries":0', b'"recoveries":7')
    assert forged != kept.data
    log.snapshots[stream("r")] = Snapshot.of(kept.stream, kept.tail, kept.state_version, forged)
    async with node(log.carrier(2), long, settings=OFTEN) as runtime:
        await until(lambda: recorded(log))
        (differed,) = recorded(log)

        assert isinstance(differed, Differed)
        assert (differed.stream, differed.what, differed.version) == (stream("r"), "snapshot", kept.tail.version)
        assert "is not what its log gives" in caplog_of_errors.text
        await runtime.run("r").signal("more", 1)
        assert await runtime.run("r").result(within=PATIENCE) == 61


@pytest.mark.anyio
async def test_a_state_in_memory_that_differs_is_forgotten_and_folded_again(caplog_of_errors: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with node(log.carrier(), long, settings=OFTEN) as runtime:
        run = await runtime.start(long, 3, id="r")
        await until(lambda: named(log, "r").count("StepCompleted") == 3)
        state = runtime.dispatcher.peek(stream("r"))
        assert isinstance(state, Run)
        state.facts.cancelling = 5
        await until(lambda: recorded(log))
        (differed,) = recorded(log)

        assert isinstance(differed, Differed)
        assert differed.what == "memory"
        await run.signal("more", 1)
        assert await run.result(within=PATIENCE) == 4


@pytest.mark.anyio
async def test_a_log_that_does_not_hold_behind_a_snapshot_is_found(caplog_of_errors: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with node(log.carrier(), long) as runtime:
        await runtime.start(long, 60, id="r")
        await until(lambda: named(log, "r").count("StepCompleted") == 60)
    assert stream("r") in log.snapshots
    kept = log.streams[stream("r")]
    kept[3] = replace(kept[3], data=kept[3].data.replace(b"one", b"two"))
    async with node(log.carrier(2), long, settings=OFTEN) as runtime:
        await until(lambda: recorded(log))

        assert isinstance(recorded(log)[0], Quarantined)
        with pytest.raises(Corrupt):
            await runtime.run("r").signal("more", 1)


@pytest.mark.anyio
async def test_what_agrees_is_left_alone_however_often_it_is_looked_at(caplog_of_errors: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with node(log.carrier(), long, settings=Settings(audit_seconds=0)) as runtime:
        for id, steps in (("r", 60), ("s", 3)):
            await runtime.start(long, steps, id=id)
            await until(lambda id=id, steps=steps: named(log, id).count("StepCompleted") == steps)  # type: ignore[misc]
        await runtime.dispatcher.passivate()
        await runtime.run("s").status()
        before = list(log.records)
        for _ in range(10):
            await runtime.auditor.look()

        assert runtime.auditor.audited >= 5
        assert log.records == before
        assert not caplog_of_errors.records


def test_it_is_on_and_gentle_where_nobody_says_otherwise() -> None:
    assert timedelta(seconds=1) < timedelta(seconds=Settings().audit_seconds) < timedelta(minutes=1)
