"""Rule 14: of a log that cannot be trusted it is recorded so, elsewhere, for as long as it cannot; and the dead letters are a list."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from perdure import Corrupt, RunError, Settings, Unavailable, workflow
from perdure.actors.auditing import Refold
from perdure.eventlog.codec import Event
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Record
from perdure.runtime.engine import Runtime
from perdure.runtime.kinds.quarantine import Lifted, Quarantine, Quarantined, quarantine_of
from perdure.runtime.perform.quarantining import Quarantining
from tests.laws.node import PATIENCE, killed_node, named, node, stream, until
from tests.semantics.standing import differs, waits

NO_AUDIT = Settings(audit_seconds=0)
KIND = Quarantine(lambda stream: None)


@workflow
async def fails() -> None:
    raise ValueError("no")


def damaged(record: Record) -> Record:
    return replace(record, data=record.data.replace(b'"seed"', b'"need"'))


def known(log: MemoryLog, run: str) -> list[Event]:
    """What the quarantine actor of a run has recorded."""
    return [event for record in log.streams.get(quarantine_of(stream(run)), ()) for event in KIND.codec.decode(record.data).events]


async def begun(log: MemoryLog, *runs: str) -> None:
    """These runs wait for their word, and nobody serves them any more."""
    async with killed_node(log, waits) as runtime:
        for id in runs:
            await runtime.start(waits, id=id)
            await until(lambda id=id: "StepCompleted" in named(log, id))  # type: ignore[misc]


async def statuses(runtime: Runtime, status: str | None = None) -> dict[str, str]:
    return {line.run: line.status for line in (await runtime.runs(status=status)).runs}


@pytest.mark.anyio
async def test_it_is_recorded_once_over_restarts_and_lifted_when_the_stream_holds_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "perdure")
    log = MemoryLog()
    await begun(log, "damaged", "whole")
    kept = log.streams[stream("damaged")]
    whole, kept[0] = kept[0], damaged(kept[0])
    before = list(kept)
    for epoch in (2, 3):
        async with node(log.carrier(epoch), waits, settings=NO_AUDIT) as runtime:
            with pytest.raises(Corrupt):
                await runtime.run("damaged").signal("go", "on")
            await until(lambda: known(log, "damaged"))

            assert await statuses(runtime) == {"damaged": "quarantined", "whole": "running"}
            assert await statuses(runtime, status="quarantined") == {"damaged": "quarantined"}
            assert await statuses(runtime, status="running") == {"whole": "running"}
            await runtime.alarm.sweep()
    assert [type(event) for event in known(log, "damaged")] == [Quarantined]
    assert log.streams[stream("damaged")] == before

    kept[0] = whole
    async with node(log.carrier(4), waits, settings=NO_AUDIT) as runtime:
        await until(lambda: isinstance(known(log, "damaged")[-1], Lifted))
        await until(lambda: log.summaries[quarantine_of(stream("damaged"))].head.wake_at is None)
        assert await statuses(runtime) == {"damaged": "running", "whole": "running"}
        await runtime.run("damaged").signal("go", "on")
        assert await runtime.run("damaged").result(within=PATIENCE) == "on"


@pytest.mark.anyio
async def test_a_look_that_could_not_read_is_taken_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "perdure")
    log, real, looks = MemoryLog(), Quarantining._holds, list[str]()
    await begun(log, "damaged")
    kept = log.streams[stream("damaged")]
    whole, kept[0] = kept[0], damaged(kept[0])
    async with node(log.carrier(2), waits, settings=NO_AUDIT) as runtime:
        with pytest.raises(Corrupt):
            await runtime.run("damaged").signal("go", "on")
        await until(lambda: known(log, "damaged"))
    kept[0] = whole

    async def holds(self: Quarantining, fold: Refold) -> bool:
        looks.append(fold.stream)
        if len(looks) == 1:
            raise Unavailable("the log cannot be read right now")
        return await real(self, fold)

    monkeypatch.setattr(Quarantining, "_holds", holds)
    async with node(log.carrier(3), waits, settings=NO_AUDIT):
        await until(lambda: isinstance(known(log, "damaged")[-1], Lifted))

    assert looks == [stream("damaged")] * 2


@pytest.mark.anyio
async def test_the_dead_letters_are_the_runs_that_failed_were_suspended_or_are_quarantined(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "perdure")
    log = MemoryLog()
    await begun(log, "broken", "stuck", "well")
    kept = log.streams[stream("broken")]
    kept[0] = damaged(kept[0])
    async with node(log.carrier(2), differs, fails, settings=NO_AUDIT) as runtime:
        with pytest.raises(RunError):
            await (await runtime.start(fails, id="failed")).result(within=PATIENCE)
        await runtime.run("stuck").signal("go", "on")
        with pytest.raises(Corrupt):
            await runtime.run("broken").status()
        await until(lambda: known(log, "broken"))

        dead = {"broken": "quarantined", "failed": "failed", "stuck": "suspended"}
        assert {line.run: line.status for line in (await runtime.runs(dead=True)).runs} == dead
        first = await runtime.runs(dead=True, limit=2)
        rest = await runtime.runs(dead=True, limit=2, after=first.after)
        assert [line.run for page in (first, rest) for line in page.runs] == sorted(dead)
        assert rest.after is None
