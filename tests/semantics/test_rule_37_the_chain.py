"""Rule 37: each record's digest covers the one before it, its stream, its place in it and its bytes; not its position in the log."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

import perdure
from perdure import Corrupt, step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Record, verified, verify
from tests.laws.node import PATIENCE, node, stream


@step
async def double(n: int) -> int:
    return 2 * n


@workflow
async def counts() -> int:
    return await double(await double(1))


async def written() -> list[Record]:
    log = MemoryLog()
    async with node(log.carrier(), counts) as runtime:
        await (await runtime.start(counts, id="r")).result(within=PATIENCE)
    return log.streams[stream("r")]


@pytest.mark.anyio
async def test_the_digest_is_what_is_promised() -> None:
    previous = bytes(32)
    for record in await written():
        named = f"{len(record.stream)}:{record.stream}:{record.first}:{record.last}:{len(record.data)}:".encode()

        assert record.digest == sha256(previous + named + record.data).digest()
        assert b'"at":' in record.data
        verify(replace(record, position=record.position + 100))
        previous = record.digest


@pytest.mark.anyio
async def test_a_changed_a_missing_and_a_swapped_record_are_found() -> None:
    one, two, three = await written()
    name = one.stream
    changed = replace(two, data=two.data.replace(b'"value":2', b'"value":3'))
    assert changed.data != two.data

    for damaged in ([one, changed, three], [one, three], [two, one, three], [replace(one, stream="run/default/s"), two, three]):
        with pytest.raises(Corrupt):
            list(verified(name, EMPTY, damaged))
    assert list(verified(name, EMPTY, [one, two, three])) == [one, two, three]


@pytest.mark.anyio
async def test_a_changed_byte_in_a_file_is_found_by_whoever_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with perdure.open(f"sqlite:///{path}", workflows=[counts]) as runtime:
        await (await runtime.start(counts, id="r")).result(within=PATIENCE)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("update record set data = replace(data, 'double', 'treble') where first = 1")
    async with open_sqlite(path) as carrier:
        with pytest.raises(Corrupt):
            await anext(carrier.log.follow())
        loaded = (await carrier.log.load({stream("r"): 0}))[stream("r")]
        with pytest.raises(Corrupt):
            list(verified(stream("r"), EMPTY, loaded))
