"""Rule 35, artifacts: content of any size goes through a step chunk by chunk, and counts with the outcome of its attempt alone."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

import perdure
from perdure import Artifact, Invalid, NotFound, Retry, StepError, step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from tests.runtime.serving import PATIENCE, serving
from tests.semantics.large import stored, verdict

pytestmark = pytest.mark.anyio

LINE = b"0123456789abcdef" * 4096
LINES = 320
"""20 MiB."""


@step
async def write(name: str, lines: int) -> int:
    async with perdure.current().artifact(name) as out:
        for _ in range(lines):
            await out.write(LINE)
    return lines


@step
async def digest(report: Artifact) -> str:
    total = sha256()
    async for chunk in perdure.current().read(report):
        total.update(chunk)
    return total.hexdigest()


@workflow
async def reporting(lines: int) -> str:
    await write("report.csv", lines)
    return await digest(perdure.artifact("report.csv"))


async def content(runtime: Runtime, run: str, name: str) -> bytes:
    return b"".join([chunk async for chunk in runtime.artifact(run, name)])


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_an_artifact_of_any_size_takes_bounded_memory_and_is_read_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    whole = sha256(LINE * LINES).hexdigest()
    async with open_sqlite(path) as carrier, serving(reporting, carrier=carrier) as runtime:
        tracemalloc.start()
        try:
            result = await (await runtime.start(reporting, LINES, id="r")).result(within=PATIENCE * 6)
            read = sha256()
            async for chunk in runtime.artifact("r", "report.csv"):
                read.update(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert (result, read.hexdigest()) == (whole, whole)
    assert peak < 8 * 1024 * 1024
    assert (verify_file(path).verdict, verify_file(path).blobs) == ("intact", 1)


async def test_the_record_of_the_step_names_it_and_the_argument_of_another_refers_to_it() -> None:
    log = MemoryLog()
    async with serving(reporting, log=log) as runtime:
        await (await runtime.start(reporting, 3, id="r")).result(within=PATIENCE)
        known = await runtime.artifacts("r")

    named = {"name": "report.csv", "digest": sha256(LINE * 3).hexdigest(), "size": 3 * len(LINE)}
    assert known == {"report.csv": Artifact("report.csv", sha256(LINE * 3).hexdigest(), 3 * len(LINE))}
    assert [event["artifacts"] for event in stored(log) if "artifacts" in event] == [[named]]
    assert [event["args"] for event in stored(log) if event.get("name") == "digest"] == [[named]]
    assert (await verdict(log, reporting)).agrees


async def test_an_attempt_that_fails_leaves_nothing_named_and_the_next_one_is_whole() -> None:
    tries: list[int] = []

    @step(retry=Retry(attempts=3, first=timedelta(milliseconds=1)))
    async def shaky() -> None:
        tries.append(1)
        async with perdure.current().artifact("early") as out:
            await out.write(b"try %d" % len(tries))
        async with perdure.current().artifact("late") as out:
            await out.write(b"half")
            if len(tries) < 3:
                raise ValueError("not yet")
            await out.write(b" and half")

    @workflow
    async def trying() -> None:
        await shaky()

    log = MemoryLog()
    async with serving(trying, log=log) as runtime:
        await (await runtime.start(trying, id="r")).result(within=PATIENCE)
        assert list(await runtime.artifacts("r")) == ["early", "late"]
        assert (await content(runtime, "r", "early"), await content(runtime, "r", "late")) == (b"try 3", b"half and half")
    assert sum("artifacts" in event for event in stored(log)) == 1


async def test_a_step_that_fails_for_good_leaves_nothing_to_read() -> None:
    @step
    async def broken() -> None:
        async with perdure.current().artifact("lost") as out:
            await out.write(b"all of it")
        raise ValueError("and then this")

    @workflow
    async def losing() -> str:
        try:
            await broken()
        except StepError:
            try:
                perdure.artifact("lost")
            except NotFound as error:
                return error.message
        return "found"

    async with serving(losing) as runtime:
        assert await (await runtime.start(losing, id="r")).result(within=PATIENCE) == "the run has no artifact of this name yet"
        with pytest.raises(NotFound, match="no artifact of this name"):
            await content(runtime, "r", "lost")
        with pytest.raises(NotFound, match="no such run"):
            await content(runtime, "nobody", "lost")


async def test_of_one_name_the_last_counts_and_earlier_generations_are_still_there() -> None:
    @step
    async def note(name: str, text: str) -> None:
        async with perdure.current().artifact(name) as out:
            await out.write(text.encode())

    @workflow
    async def noting(turn: int) -> str:
        await note("state", f"turn {turn}")
        await note(f"only {turn}", "once")
        if turn < 3:
            await perdure.continue_as(turn + 1)
        return perdure.artifact("state").name

    log = MemoryLog()
    async with serving(noting, log=log) as runtime:
        await (await runtime.start(noting, 1, id="r")).result(within=PATIENCE)
        assert sorted(await runtime.artifacts("r")) == ["only 1", "only 2", "only 3", "state"]
        assert await content(runtime, "r", "state") == b"turn 3"
    assert (await verdict(log, noting)).agrees


async def test_what_was_stored_is_part_of_what_a_run_did() -> None:
    found: set[str] = set()
    for text in (b"one", b"other"):

        @step
        async def save(given: bytes = text) -> None:
            async with perdure.current().artifact("a") as out:
                await out.write(given)

        @workflow(name="saving")
        async def saving() -> None:
            await save()

        log = MemoryLog()
        async with serving(saving, log=log) as runtime:
            await (await runtime.start(saving, id="r")).result(within=PATIENCE)
        found.add((await verdict(log, saving)).content_digest)
    assert len(found) == 2


async def test_an_artifact_is_written_in_its_block_and_under_a_name_that_can_be_one() -> None:
    wrong: list[str] = []

    @step
    async def clumsy() -> None:
        out = perdure.current().artifact("x")
        with pytest.raises(Invalid, match="inside its block") as caught:
            await out.write(b"too early")
        wrong.append(caught.value.where)
        with pytest.raises(Invalid, match="cannot have this name"):
            async with perdure.current().artifact(""):
                pass

    @workflow
    async def clumsily() -> None:
        await clumsy()

    async with serving(clumsily) as runtime:
        await (await runtime.start(clumsily, id="r")).result(within=PATIENCE)
        assert await runtime.artifacts("r") == {}
    assert wrong == ["artifact('x')"]
