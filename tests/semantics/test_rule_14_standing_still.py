"""Rule 14: four words for standing still, and a fifth for a log that cannot be trusted; each means one thing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure import Corrupt
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, killed_node, named, node, stream, until
from tests.semantics.standing import differs, waits


@pytest.mark.anyio
async def test_waiting_is_running_and_passivated_is_the_same_without_memory() -> None:
    log = MemoryLog()
    async with node(log.carrier(), waits) as runtime:
        run = await runtime.start(waits, id="r")
        await until(lambda: "StepCompleted" in named(log, "r"))
        assert await run.status() == "running"
        before = len(log.records)
        await runtime.dispatcher.passivate()

        assert runtime.dispatcher.peek(stream("r")) is None
        assert len(log.records) == before
        assert await run.status() == "running"
        await run.signal("go", "on")
        assert await run.result(within=PATIENCE) == "on"


@pytest.mark.anyio
async def test_paused_is_what_a_person_said_and_suspended_what_the_engine_did() -> None:
    log = MemoryLog()
    async with killed_node(log, waits) as runtime:
        for id in ("paused", "stuck"):
            await runtime.start(waits, id=id)
            await until(lambda id=id: "StepCompleted" in named(log, id))  # type: ignore[misc]
        await runtime.run("paused").pause("lunch")
        assert await runtime.run("paused").status() == "paused"
    async with node(log.carrier(2), differs) as runtime:
        stuck = runtime.run("stuck")
        await stuck.signal("go", "on")

        assert await stuck.status() == "suspended"
        assert await runtime.run("paused").status() == "paused"
    assert log.summaries[stream("stuck")].head.status == "suspended"


@pytest.mark.anyio
async def test_a_log_that_cannot_be_trusted_is_neither_written_to_nor_in_the_way_of_others() -> None:
    log = MemoryLog()
    async with killed_node(log, waits) as runtime:
        for id in ("damaged", "whole"):
            await runtime.start(waits, id=id)
            await until(lambda id=id: "StepCompleted" in named(log, id))  # type: ignore[misc]
    kept = log.streams[stream("damaged")]
    kept[0] = replace(kept[0], data=kept[0].data.replace(b'"seed"', b'"need"'))
    before = list(kept)
    async with node(log.carrier(2), waits) as runtime:
        with pytest.raises(Corrupt):
            await runtime.run("damaged").signal("go", "on")
        await runtime.run("whole").signal("go", "on")

        assert await runtime.run("whole").result(within=PATIENCE) == "on"
    assert log.streams[stream("damaged")] == before
