"""Rule 35: a value over 128 KiB lies in a blob of its stream, and its event names it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

import perdure
from perdure import step, workflow
from perdure.actors.shelf import LARGE_BYTES
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.blobs import named_in
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Record
from tests.runtime.serving import PATIENCE, serving, until
from tests.semantics.large import (
    MANY,
    NEVER,
    SMALL,
    boasting,
    passed,
    passing,
    records,
    stored,
    verdict,
    waiting,
)

pytestmark = pytest.mark.anyio


async def test_a_value_over_128_kib_lies_in_a_blob_and_its_event_names_it() -> None:
    log = MemoryLog()

    result = await passed(log)

    assert result == "a" * MANY + "m" * MANY
    assert max(len(record.data) for record in records(log)) < 4096
    named = {event["type"]: event["blob"]["size"] for event in stored(log) if "blob" in event}
    assert set(named) == {"RunStarted", "StepScheduled", "StepCompleted", "SignalReceived", "RunCompleted"}
    fields = ("value", "args", "input", "result")
    assert {event[field] for event in stored(log) if "blob" in event for field in fields if field in event} == {None}
    assert {blob.digest for record in records(log) for blob in named_in(record.data)} == set(log.blobs["run/default/r"])


async def test_a_value_of_just_128_kib_stays_in_its_event() -> None:
    log = MemoryLog()
    async with serving(boasting, log=log) as runtime:
        await (await runtime.start(boasting, LARGE_BYTES - 2, id="r")).result(within=PATIENCE)

    assert not log.blobs


@pytest.mark.parametrize("user", ['{"digest":"00","size":1}', {"blob": {"digest": "00" * 32, "size": 200_000}}, {"blob": None}])
async def test_no_value_of_a_user_is_ever_taken_for_a_reference(user: Any) -> None:
    @step
    async def echo(value: Any) -> Any:
        return value

    @workflow
    async def echoing(value: Any) -> Any:
        return [await echo(value), await perdure.signal("more")]

    log = MemoryLog()
    async with serving(echoing, log=log) as runtime:
        run = await runtime.start(echoing, user, id="r")
        await run.signal("more", user)
        assert await run.result(within=PATIENCE) == [user, user]
    assert [blob for record in records(log) for blob in named_in(record.data)] == []
    assert (await verdict(log, echoing)).agrees


async def test_what_a_run_did_has_the_same_digest_with_and_without_blobs() -> None:
    inline, blobs, default = MemoryLog(), MemoryLog(), MemoryLog()
    for log, settings in ((inline, NEVER), (blobs, SMALL), (default, None)):
        await passed(log, settings, 2000)
    found = [await verdict(log, passing) for log in (inline, blobs, default)]

    assert [bool(log.blobs) for log in (inline, blobs, default)] == [False, True, False]
    assert [one.agrees for one in found] == [True, True, True]
    assert len({one.content_digest for one in found}) == 1


async def test_a_repeated_start_with_the_same_large_input_is_the_same_run_and_another_is_refused() -> None:
    async with serving(passing) as runtime:
        run = await runtime.start(passing, "g" * MANY, 1, id="r")
        assert (await runtime.start(passing, "g" * MANY, 1, id="r")).id == run.id
        with pytest.raises(perdure.Refused, match="belongs to another run"):
            await runtime.start(passing, "h" * MANY, 1, id="r")


async def test_a_file_keeps_large_values_over_a_restart_and_its_check_knows_them(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with open_sqlite(path) as carrier, serving(waiting, carrier=carrier) as runtime:
        await runtime.start(waiting, MANY, id="r")
        outcomes = 0
        async with aclosing(cast("AsyncGenerator[Record]", carrier.log.follow())) as following:
            async for record in following:
                if (outcomes := outcomes + record.data.count(b"StepCompleted")) == 2:
                    break

    async with open_sqlite(path) as carrier, serving(waiting, carrier=carrier) as runtime:
        await runtime.run("r").signal("go")
        assert await runtime.run("r").result(within=PATIENCE) == 2 * MANY
    report = verify_file(path)
    assert (report.verdict, report.blobs) == ("intact", 3)


@workflow
async def shouting(text: str) -> str:
    return text + "!"


@workflow
async def parent(size: int) -> int:
    text = await perdure.child(shouting, "c" * size)
    await perdure.signal("go")
    return len(text)


async def test_a_child_gets_a_large_input_and_gives_a_large_result_each_in_the_blobs_of_its_own_stream() -> None:
    log = MemoryLog()
    async with serving(parent, shouting, log=log) as runtime:
        await runtime.start(parent, MANY, id="r")
        await until(lambda: len(log.blobs) == 2 and b"ChildEnded" in b"".join(record.data for record in records(log)))
    async with serving(parent, shouting, carrier=log.carrier(2)) as runtime:
        await runtime.run("r").signal("go")
        assert await runtime.run("r").result(within=PATIENCE) == MANY + 1

    assert max(len(record.data) for record in log.records) < 4096
    (of_child,) = [stream for stream in log.streams if stream != "run/default/r"]
    for stream in ("run/default/r", of_child):
        assert {blob.digest for record in log.streams[stream] for blob in named_in(record.data)} == set(log.blobs[stream])
    assert (await verdict(log, parent, shouting)).agrees


async def test_one_run_sends_another_a_large_signal() -> None:
    @workflow
    async def sending(size: int) -> None:
        await perdure.signal_run("taker", "more", "s" * size)

    @workflow
    async def taking() -> int:
        return len(await perdure.signal("more", str))

    log = MemoryLog()
    async with serving(sending, taking, log=log) as runtime:
        taker = await runtime.start(taking, id="taker")
        await runtime.start(sending, MANY, id="r")
        assert await taker.result(within=PATIENCE) == MANY
        await runtime.run("r").result(within=PATIENCE)
    assert list(log.blobs) == ["run/default/taker"]
    assert (await verdict(log, sending)).agrees
