"""Rule 35: the driver asks for a value that is not at hand with NeedValue, and the shell fetches it and goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import perdure
from perdure import workflow
from perdure.eventlog.blobs import Blob
from perdure.eventlog.errors import Corrupt, Unavailable
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryBlobs, MemoryLog
from perdure.runtime.run.machine import large
from tests.runtime.serving import PATIENCE, serving, until
from tests.semantics.large import (
    MANY,
    NEVER,
    SMALL,
    careful,
    made,
    make,
    passed,
    passing,
    records,
    verdict,
    waiting,
    watched,
)

pytestmark = pytest.mark.anyio


async def test_a_run_goes_on_under_another_threshold_than_it_began_with() -> None:
    log = MemoryLog()
    async with serving(waiting, log=log, settings=SMALL) as runtime:
        await runtime.start(waiting, 2000, id="r")
        await until(lambda: made(log) == 2)

    carrier, _ = watched(log, 2)
    async with serving(waiting, carrier=carrier, settings=NEVER) as runtime:
        await runtime.run("r").signal("go")
        assert await runtime.run("r").result(within=PATIENCE) == 4000
    assert (await verdict(log, waiting)).agrees


async def test_live_paths_do_not_fetch_what_they_just_wrote() -> None:
    log = MemoryLog()
    carrier, blobs = watched(log)
    async with serving(passing, carrier=carrier) as runtime:
        run = await runtime.start(passing, "g" * MANY, MANY, id="r")
        await run.signal("more", "m" * MANY)
        await run.result(within=PATIENCE)

    assert blobs.reads == 0
    assert blobs.puts == len(log.blobs["run/default/r"]) + 1  # the last step's result is the run's, too


async def test_an_activation_fetches_what_the_code_must_be_given_and_writes_nothing_again() -> None:
    log = MemoryLog()
    first, _ = watched(log)
    async with serving(waiting, carrier=first) as runtime:
        await runtime.start(waiting, MANY, id="r")
        await until(lambda: made(log) == 2)
        await runtime.dispatcher.passivate()
        assert not runtime.dispatcher.is_awake("run/default/r")

        await runtime.run("r").signal("go")
        assert await runtime.run("r").result(within=PATIENCE) == 2 * MANY

    second, blobs = watched(log, 2)
    async with serving(waiting, carrier=second) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == 2 * MANY
    assert blobs.puts == 0


async def test_a_run_with_more_than_fits_at_once_is_given_its_values_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    @workflow
    async def hoarding(times: int) -> int:
        total = 0
        for number in range(times):
            total += len(await make("abcdefghij"[number], 2000))
        await perdure.signal("go")
        return total

    log = MemoryLog()
    async with serving(hoarding, log=log, settings=SMALL) as runtime:
        await runtime.start(hoarding, 10, id="r")
        await until(lambda: len(log.blobs.get("run/default/r", ())) == 10)
    monkeypatch.setattr(large, "NEEDED_AT_ONCE", 5000)
    carrier, blobs = watched(log, 2)
    lent: list[int] = []

    async with serving(hoarding, carrier=carrier, settings=SMALL) as runtime:
        lend = runtime.shelf.lend

        async def lending(stream: str, wanted: Sequence[Blob]) -> None:
            lent.append(len(wanted))
            await lend(stream, wanted)

        monkeypatch.setattr(runtime.shelf, "lend", lending)
        await runtime.run("r").signal("go")
        assert await runtime.run("r").result(within=PATIENCE) == 20_000

    assert (max(lent), sum(lent), blobs.reads) == (2, 10, 10)


async def test_a_fetch_that_fails_is_unavailable_for_that_run_alone_and_mends_by_itself() -> None:
    log = MemoryLog()
    async with serving(waiting, log=log, settings=SMALL) as runtime:
        for size, run in ((2000, "large"), (10, "small")):
            await runtime.start(waiting, size, id=run)
        await until(lambda: made(log, "large") == made(log, "small") == 2)

    carrier, blobs = watched(log, 2)
    blobs.away = True
    async with serving(waiting, carrier=carrier, settings=SMALL) as runtime:
        with pytest.raises(Unavailable, match="the blobs are away"):
            await runtime.run("large").signal("go")
        await runtime.run("small").signal("go")
        assert await runtime.run("small").result(within=PATIENCE) == 20
        blobs.away = False
        await runtime.run("large").signal("go")
        assert await runtime.run("large").result(within=PATIENCE) == 4000


async def test_a_damaged_blob_breaks_its_run_alone_and_its_log_stays_as_it_is() -> None:
    log = MemoryLog()
    async with serving(waiting, log=log, settings=SMALL) as runtime:
        for run in ("damaged", "whole"):
            await runtime.start(waiting, 2000, id=run)
        await until(lambda: made(log, "damaged") == made(log, "whole") == 2)
    before, kept = len(records(log, "damaged")), log.blobs["run/default/damaged"]
    kept.update(dict.fromkeys(kept, b'"something else"'))

    async with serving(waiting, carrier=log.carrier(2), settings=SMALL) as runtime:
        with pytest.raises(Corrupt, match="does not hold what was written"):
            await runtime.run("damaged").signal("go")
        await runtime.run("whole").signal("go")
        assert await runtime.run("whole").result(within=PATIENCE) == 4000
    assert len(records(log, "damaged")) == before
    with pytest.raises(Corrupt):
        await verdict(log, waiting, run="damaged")


async def test_a_large_outcome_waits_until_the_blobs_are_back_and_its_step_is_not_tried_again() -> None:
    made: list[int] = []

    class Refusing(MemoryBlobs):
        async def put(self, stream: str, content: bytes) -> Blob:
            if len(made) < 4:
                made.append(len(content))
                raise Unavailable("the blobs refuse")
            return await super().put(stream, content)

    log = MemoryLog()
    plain = log.carrier()
    carrier = Carrier(plain.log, plain.heads, plain.snapshots, Refusing(log), "memory")
    async with serving(careful, carrier=carrier, settings=SMALL) as runtime:
        assert await (await runtime.start(careful, 2000, id="r")).result(within=PATIENCE) == "made"
        assert runtime.pool.attempts == 1


async def test_looking_at_a_run_does_not_fetch_its_large_result() -> None:
    log = MemoryLog()
    await passed(log)
    carrier, blobs = watched(log, 2)
    async with serving(passing, carrier=carrier) as runtime:
        looked = await runtime.run("r").look()
        assert (looked.status, looked.large is not None, blobs.reads) == ("completed", True, 0)
        assert await runtime.run("r").result(within=PATIENCE) == "a" * MANY + "m" * MANY
