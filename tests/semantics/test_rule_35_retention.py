"""Rule 35, retention: so long after the end of its run an artifact is released, and its content removed; nothing else ever is."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec import Raw

import perdure
from perdure import Runtime, Settings, Unavailable, step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.blobs import Artifact, Blob, Named, content_of
from perdure.eventlog.codec import Event
from perdure.eventlog.errors import Gone
from perdure.eventlog.faults import Fault, FaultyLog, Script, What
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryBlobs, MemoryLog
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import decide
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from perdure.runtime.settings.artifacts import DAY, ArtifactSettings
from tests.laws.node import Flow
from tests.runtime.serving import PATIENCE, events, until
from tests.semantics.clocks import HandClock, clocked
from tests.semantics.large import verdict

pytestmark = pytest.mark.anyio

BY_HAND = Settings(drain_seconds=0.05, large_bytes=1024, artifacts=ArtifactSettings(interval_seconds=1e9))
"""30 days, and a test says when is looked."""

STREAM = "run/default/r"
BIG = "x" * 3000
VALUES = (json.dumps(BIG).encode(), json.dumps(["copy.json", json.dumps(BIG)], separators=(",", ":")).encode())
"""Of `reporting`, as they are kept."""


@step
async def write(name: str, text: str) -> str:
    async with perdure.current().artifact(name) as out:
        await out.write(text.encode())
    return BIG


@workflow
async def reporting() -> str:
    """Its result is a large value, and `copy.json` has the same content, byte for byte."""
    await write("report.txt", "first")
    await write("report.txt", "second")
    return await write("copy.json", json.dumps(BIG))


attempts: list[int] = []
AGAIN = Blob.of(b"the same each time").digest


@workflow
async def failing(times: int) -> str:
    await write("again.txt", "the same each time")
    await stumble(times)
    return (await write("again.txt", "the same each time"))[:1]


@step
async def stumble(times: int) -> None:
    attempts.append(times)
    if len(attempts) <= times:
        raise ValueError("not yet")


@asynccontextmanager
async def retaining(log: MemoryLog | Carrier, clock: HandClock, flow: Flow = reporting) -> AsyncGenerator[Runtime]:
    async with clocked(log, clock, flow, settings=BY_HAND) as runtime:
        yield runtime


async def released(runtime: Runtime, log: MemoryLog) -> None:
    await runtime.retaining.look()
    await until(lambda: events(log, "r")[-1] == "ArtifactsRemoved")


def named(log: MemoryLog) -> Named:
    found = Named()
    for record in log.streams[STREAM]:
        found.take(record.data)
    return found


async def all_kept_is_there(log: MemoryLog) -> None:
    for blob in named(log).kept:
        await content_of(MemoryBlobs(log), STREAM, blob)


async def test_artifacts_are_released_so_long_after_the_end_and_values_of_the_same_content_stay() -> None:
    log, clock = MemoryLog(), HandClock()
    async with retaining(log, clock) as runtime:
        await (await runtime.start(reporting, id="r")).result(within=PATIENCE)
        clock.pass_by(30 * DAY - 1)
        await runtime.retaining.look()
        assert b"".join([chunk async for chunk in runtime.artifact("r", "report.txt")]) == b"second"
        before = await runtime.artifacts("r")

        clock.pass_by(1)
        await released(runtime, log)
        known = await runtime.artifacts("r")
        assert {name: (one.digest, one.size) for name, one in known.items()} == {
            name: (one.digest, one.size) for name, one in before.items()
        }
        assert {one.gone for one in known.values()} == {clock.time}
        for name in known:
            with pytest.raises(Gone, match="kept no longer") as caught:
                await anext(runtime.artifact("r", name))
            assert "2023-12-14" in caught.value.found

        assert await runtime.run("r").result(within=PATIENCE) == BIG
        await runtime.retaining.look()
    assert set(log.blobs[STREAM]) == {Blob.of(value).digest for value in VALUES}
    assert events(log, "r").count("ArtifactsReleased") == events(log, "r").count("ArtifactsRemoved") == 1
    await all_kept_is_there(log)
    assert (await verdict(log, reporting)).agrees


async def test_a_run_that_goes_on_keeps_them_and_so_does_one_whose_clock_is_doubted() -> None:
    @workflow
    async def lasting() -> None:
        await write("report.txt", "kept")
        await perdure.signal("end")

    log, clock = MemoryLog(), HandClock()
    async with retaining(log, clock, lasting) as runtime:
        run = await runtime.start(lasting, id="r")
        await until(lambda: "StepCompleted" in events(log, "r"))
        clock.pass_by(300 * DAY)
        await runtime.retaining.look()
        await run.signal("end")
        await run.result(within=PATIENCE)
        await runtime.retaining.look()
        clock.jump(300 * DAY)
        await runtime.retaining.look()
        assert "ArtifactsReleased" not in events(log, "r")

        runtime.confirm_clock()
        await released(runtime, log)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("what", ["crash_before", "crash_after", "lost_reply", "refusal"])
@pytest.mark.parametrize("number", range(1, 5))
async def test_whatever_breaks_in_between_it_is_released_and_removed_once(what: What, number: int) -> None:
    log, clock = MemoryLog(), HandClock()
    async with retaining(log, clock) as runtime:
        await (await runtime.start(reporting, id="r")).result(within=PATIENCE)
    clock.pass_by(31 * DAY)

    async with retaining(FaultyLog(log, Script({number: Fault(what)})).carrier(2), clock) as runtime:
        with anyio.move_on_after(0.1):
            await runtime.retaining.look()
            await until(lambda: events(log, "r")[-1] == "ArtifactsRemoved")
    await all_kept_is_there(log)

    async with retaining(log.carrier(3), clock) as runtime:
        if events(log, "r")[-1] != "ArtifactsRemoved":
            await released(runtime, log)
    assert [events(log, "r").count(name) for name in ("ArtifactsReleased", "ArtifactsRemoved")] == [1, 1]
    assert set(log.blobs[STREAM]) == {Blob.of(value).digest for value in VALUES}
    await all_kept_is_there(log)


class Held(MemoryBlobs):
    """Blobs that are removed only once somebody lets them."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.goes = anyio.Event()
        self.asked: list[tuple[Collection[str], int]] = []

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        self.asked.append((digests, mark))
        await self.goes.wait()
        await super().remove(stream, digests, mark)


async def test_a_run_that_goes_on_after_a_release_keeps_what_it_stores_anew() -> None:
    log, clock = MemoryLog(), HandClock()
    there, blobs = log.carrier(), Held(log)
    attempts.clear()
    async with retaining(Carrier(there.log, there.heads, there.snapshots, blobs, there.durability), clock, failing) as runtime:
        run = await runtime.start(failing, 1, id="r")
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        clock.pass_by(31 * DAY)
        await runtime.retaining.look()
        await until(lambda: blobs.asked)
        with pytest.raises(Unavailable, match="just being removed"):
            await run.retry()

        blobs.goes.set()
        await until(lambda: events(log, "r")[-1] == "ArtifactsRemoved")
        assert AGAIN not in log.blobs[STREAM]
        await run.retry()
        await run.result(within=PATIENCE)
        digests, mark = blobs.asked[0]
        await blobs.remove(STREAM, digests, mark)  # a node that was asleep, and knows of none of this

        assert (await runtime.artifacts("r"))["again.txt"].gone == 0
        assert b"".join([chunk async for chunk in runtime.artifact("r", "again.txt")]) == b"the same each time"
        clock.pass_by(31 * DAY)
        await released(runtime, log)
    assert events(log, "r").count("ArtifactsReleased") == 2
    assert AGAIN not in log.blobs[STREAM]


reads: list[str] = []


@step
async def read(one: Artifact) -> int:
    reads.append(one.name)
    return len([chunk async for chunk in perdure.current().read(one)])


@step(retry=perdure.Retry(attempts=2, first=timedelta(hours=1)))
async def read_again_if_it_fails(one: Artifact) -> int:
    return await read(one)


@workflow
async def rereading(times: int, retries: int = 0) -> dict[str, str]:
    await write("report.txt", "first")
    first = perdure.artifact("report.txt")
    await write("report.txt", "second")
    await stumble(times)
    try:
        return {"chunks": str(await (read_again_if_it_fails if retries else read)(first))}
    except perdure.StepError as error:
        return {"type": error.type, **error.details}


async def test_a_step_that_reads_what_was_released_hears_that_it_is_gone() -> None:
    log, clock = MemoryLog(), HandClock()
    attempts.clear()
    reads.clear()
    async with retaining(log, clock, rereading) as runtime:
        run = await runtime.start(rereading, 1, 1, id="r")
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        clock.pass_by(31 * DAY)
        await released(runtime, log)
        await run.retry()
        told = await run.result(within=PATIENCE)
    assert reads == ["report.txt"], "what is gone is not asked for twice"
    assert (told["type"], told["who"], told["where"]) == ("Gone", "run 'r'", "artifact 'report.txt'")
    assert "released at 2023-12-15" in told["found"]
    assert (await verdict(log, rereading)).agrees


async def test_a_step_that_reads_what_was_lost_but_not_released_hears_that_it_is_corrupt() -> None:
    log, clock = MemoryLog(), HandClock()
    attempts.clear()
    async with retaining(log, clock, rereading) as runtime:
        run = await runtime.start(rereading, 1, id="r")
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        del log.blobs[STREAM][Blob.of(b"first").digest]
        await run.retry()
        assert (await run.result(within=PATIENCE))["type"] == "Corrupt"


async def test_a_value_that_was_given_before_a_removal_and_is_recorded_after_it_is_written_again() -> None:
    @workflow
    async def given(text: str) -> int:
        await write("copy.json", json.dumps(BIG))
        return len(text)

    log, clock = MemoryLog(), HandClock()
    async with retaining(log, clock, given) as runtime:
        await (await runtime.start(given, "short", id="r")).result(within=PATIENCE)
        named_before = named(log).kept
        clock.pass_by(31 * DAY)
        value = json.dumps([BIG]).encode()
        await runtime.carrier.blobs.put(STREAM, value)
        raw, blob = await runtime.shelf.hold(STREAM, Raw(value), "arguments")
        await released(runtime, log)
        del log.blobs[STREAM][Blob.of(value).digest]

        start = cmd.Start("given", 1, raw, 7, "c-2", reuse="always", blob=blob)
        await runtime.dispatcher.ask(STREAM, start)
        await runtime.run("r").result(within=timedelta(seconds=5))
        assert (await runtime.artifacts("r"))["copy.json"].gone == 0
    assert blob in named(log).kept
    assert blob not in named_before
    await all_kept_is_there(log)


async def test_a_file_of_which_artifacts_are_released_is_whole(tmp_path: Path) -> None:
    path, clock = tmp_path / "log.db", HandClock()
    async with open_sqlite(path) as carrier, retaining(carrier, clock) as runtime:
        await (await runtime.start(reporting, id="r")).result(within=PATIENCE)
    assert (verify_file(path).verdict, verify_file(path).blobs) == ("intact", 4)

    clock.pass_by(31 * DAY)
    async with open_sqlite(path) as carrier, retaining(carrier, clock) as runtime:
        await runtime.retaining.look()
        assert (await runtime.artifacts("r"))["report.txt"].gone
        assert await runtime.run("r").result(within=PATIENCE) == BIG
        with anyio.fail_after(PATIENCE.total_seconds()):
            while await carrier.heads.due(0):  # it has a pending wake-up until all is removed
                await checkpoint()
    assert (verify_file(path).verdict, verify_file(path).blobs) == ("intact", 2)


@pytest.mark.parametrize("abandoned", [False, True])
async def test_an_attempt_from_before_the_release_brings_nothing_any_more(abandoned: bool) -> None:
    failure, late = Failure("ValueError", "no"), Artifact("late.txt", AGAIN, 18)
    log: list[Event] = [
        ev.RunStarted("failing", 1, Raw(b"[]"), 1),
        ev.StepScheduled("0", "write", Raw(b"[]")),
        ev.StepScheduled("1", "stumble", Raw(b"[]")),
        ev.StepFailed("1", 1, failure, 0, 0, "w"),
        *([ev.EffectsAbandoned(["0"])] if abandoned else []),
        ev.RunFailed("step", failure),
    ]
    facts = RunState()
    for event in log:
        evolve(facts, event, 0)
    outcome = ev.StepCompleted("0", 1, Raw(b"null"), 1, 2, "w", artifacts=(late,))
    assert list(decide(facts, outcome, 3)) == [outcome]

    evolve(facts, ev.ArtifactsReleased(0), 4)

    assert list(decide(facts, outcome, 5)) == []
    assert list(decide(evolve(facts, ev.ArtifactsRemoved(facts.length), 6), outcome, 7)) == []
