"""A damaged row harms its own stream and no other; what follows the log checks what it hands out."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.adapters.sqlite.log import behind
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.reader import PAGE_BYTES, Reader
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog.errors import Corrupt, Invalid, Unavailable
from perdure.eventlog.records import EMPTY, Record, sealed, verified
from tests.adapters.sqlite.holding import change, made
from tests.eventlog.making import STREAM, accepted, everything, grown, head

pytestmark = pytest.mark.anyio

OTHER = "workflow/default/other"
DAMAGE = [
    "data = x'00'", "data = 'text'", "data = 12", "data = cast(x'ff80' as text)", "previous = zeroblob(32)", "digest = zeroblob(32)",
    "digest = 'text'", "last = 9", "last = 'nine'", "last = 1e300", "previous = 1.5",
]  # fmt: skip


async def damaged(path: Path, assignment: str) -> None:
    async with open_sqlite(path) as carrier:
        await grown(carrier.log, STREAM, 5)
        await grown(carrier.log, OTHER, 5)
    change(path, f"update record set {assignment} where stream = '{STREAM}' and first = 3")


@pytest.mark.parametrize("assignment", DAMAGE)
async def test_a_damaged_record_breaks_the_chain_of_its_own_stream_alone(tmp_path: Path, assignment: str) -> None:
    await damaged(tmp_path / "log.db", assignment)
    reader = Reader(tmp_path / "log.db")
    found = reader.load({STREAM: 0, OTHER: 0})
    reader.close()

    with pytest.raises(Corrupt) as caught:
        list(verified(STREAM, EMPTY, found[STREAM]))
    assert caught.value.who == STREAM
    assert len(list(verified(OTHER, EMPTY, found[OTHER]))) == 5


async def test_an_end_that_the_index_has_lost_is_no_shorter_history(tmp_path: Path) -> None:
    """The chain of what is left holds; the head tells that there was more."""
    path = tmp_path / "log.db"
    async with open_sqlite(path) as carrier:
        await grown(carrier.log, OTHER, 5)
        tail = await grown(carrier.log, STREAM, 39)
        await accepted(carrier.log, [sealed(STREAM, tail, b"{}", 1, head())])
    raw, entry = bytearray(path.read_bytes()), STREAM.encode() + bytes([40, 45])
    at = raw.index(entry)
    assert raw.count(entry) == 1, "the entry (stream, 40) of the unique index, and the position it leads to"
    raw[at + len(STREAM) - 1] ^= 2  # "ong" is beyond "one", where the search ends
    path.write_bytes(raw)

    async with open_sqlite(path) as carrier:
        loaded = await carrier.log.load({STREAM: 0, OTHER: 0})
        read = await everything(carrier.log.read(STREAM))

    for records in (loaded[STREAM], read):
        with pytest.raises(Corrupt, match="version 40"):
            list(verified(STREAM, EMPTY, records))
    assert len(list(verified(OTHER, EMPTY, loaded[OTHER]))) == 5


async def follow_to_the_end(path: Path) -> list[Record]:
    found: list[Record] = []
    async with open_sqlite(path, renew_anchor=True) as carrier:
        async for record in carrier.log.follow():
            found.append(record)
            if len(found) == 10:
                break
    return found


async def test_follow_stops_at_a_record_that_does_not_fit_its_digest(tmp_path: Path) -> None:
    await damaged(tmp_path / "log.db", "data = x'00'")

    with pytest.raises(Corrupt, match="version 3, position 3"):
        await follow_to_the_end(tmp_path / "log.db")


async def test_follow_stops_where_a_record_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with open_sqlite(path) as carrier:
        await grown(carrier.log, STREAM, 5)
        change(path, "delete from record where position = 3")
        records = carrier.log.follow()
        found = [(await anext(records)).position for _ in range(2)]
        with pytest.raises(Corrupt, match="a record is missing from the log") as caught:
            await anext(records)

    assert found == [1, 2]
    assert (caught.value.where, caught.value.found) == ("position 3", "position 4")


@pytest.mark.parametrize("cursor", ["", "-1", "one", "1.0", "\u0661"])
async def test_a_cursor_of_another_log_is_refused(tmp_path: Path, cursor: str) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        with pytest.raises(Invalid, match="a cursor that this log never gave"):
            await anext(carrier.log.follow(after=cursor))


def test_a_page_of_large_records_is_bounded_by_bytes(tmp_path: Path) -> None:
    writer, reader = Writer(tmp_path / "log.db"), Reader(tmp_path / "log.db")
    tail = EMPTY
    for _ in range(6):
        append = sealed(STREAM, tail, b"x" * (PAGE_BYTES // 2), 1)
        writer.append([append])
        tail = append.tail
    pages, after = list[int](), 0
    while page := reader.page_of_stream(STREAM, after):
        pages.append(len(page))
        after = page[-1].first
    reader.close()
    writer.close()

    assert pages == [3, 3]


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    reader = Reader(path)
    with pytest.raises(Unavailable, match="readonly"):
        reader.rows("delete from record")
    reader.close()


def test_an_index_that_leads_back_is_no_endless_stream() -> None:
    record = Record(STREAM, 5, 6, bytes(32), bytes(32), b"{}", 9)

    assert behind(STREAM, 4, record) == 5
    with pytest.raises(Corrupt, match="leads in a circle"):
        behind(STREAM, 5, record)
