"""Rule 39: a snapshot is written of a long tail alone, and only one of today's state version is used."""

from __future__ import annotations

import logging

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.snapshots import Snapshot
from tests.laws.node import PATIENCE, named, node, stream, until


@step
async def fill(size: int) -> str:
    return "x" * size


@workflow
async def long(steps: int, size: int) -> int:
    total = 0
    for _ in range(steps):
        total += len(await fill(size))
    return total + await perdure.signal("more", int)


@pytest.mark.anyio
async def test_only_a_tail_of_more_than_a_hundred_events_or_64_kib_is_worth_one() -> None:
    log = MemoryLog()
    async with node(log.carrier(), long) as runtime:
        for id, steps, size in (("short", 40, 1), ("many", 60, 1), ("large", 3, 40_000)):
            await runtime.start(long, steps, size, id=id)
            await until(lambda id=id, steps=steps: named(log, id).count("StepCompleted") == steps)  # type: ignore[misc]
        await runtime.dispatcher.passivate()

        assert set(log.snapshots) == {stream("many"), stream("large")}


@pytest.mark.anyio
async def test_one_of_another_state_version_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    log = MemoryLog()
    async with node(log.carrier(), long) as runtime:
        await runtime.start(long, 60, 1, id="r")
        await until(lambda: named(log, "r").count("StepCompleted") == 60)
    kept = log.snapshots[stream("r")]
    other = Snapshot.of(kept.stream, kept.tail, kept.state_version + 1, kept.data.replace(b'"phase":"running"', b'"phase":"paused"'))
    log.snapshots[stream("r")] = other
    assert other.data != kept.data
    async with node(log.carrier(2), long) as runtime:
        assert await runtime.run("r").status() == "running"
        await runtime.run("r").signal("more", 1)
        assert await runtime.run("r").result(within=PATIENCE) == 61
    assert not caplog.records
