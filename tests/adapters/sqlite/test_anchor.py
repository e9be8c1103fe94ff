"""A cut tail, a restored old file and a lost anchor are seen at the opening."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.sqlite import anchor
from perdure.adapters.sqlite.anchor import BLOCK_RECORDS, FILE_SIZE, SLOT_BYTES, SLOT_OFFSETS, START, Anchor, anchored
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.records import Tail
from tests.adapters.sqlite.holding import another_process, change, made
from tests.eventlog.making import STREAM, accepted, row_of

DIGESTS = st.lists(st.binary(min_size=32, max_size=32), max_size=100)


@given(DIGESTS, st.lists(st.integers(1, 40), max_size=10))
def test_the_running_digest_does_not_depend_on_how_commits_were_cut(digests: list[bytes], cuts: list[int]) -> None:
    place, rest = START, digests
    for cut in cuts:
        place, rest = place.moved(rest[:cut]), rest[cut:]
    place = place.moved(rest)

    assert place == START.moved(digests)
    assert (place.position, place.running) == (len(digests), START.moved(digests).running)


@given(DIGESTS.filter(bool), st.data())
def test_another_digest_anywhere_gives_another_running_digest(digests: list[bytes], data: st.DataObject) -> None:
    changed = list(digests)
    at = data.draw(st.integers(0, len(digests) - 1))
    changed[at] = bytes([changed[at][0] ^ 1]) + changed[at][1:]

    assert START.moved(changed).running != START.moved(digests).running


def written(path: Path, marks: int) -> None:
    opened, place = Anchor(path), START
    opened.start(place)
    for number in range(marks):
        place = place.moved([bytes([number]) * 32])
        opened.write(place)
    opened.sync()
    opened.close()


def test_the_newest_mark_counts(tmp_path: Path) -> None:
    written(tmp_path / "log.db", 7)

    mark = anchored(tmp_path / "log.db")
    assert mark is not None
    assert (mark.position, mark.digest, mark.running) == (7, b"\x06" * 32, START.moved([bytes([n]) * 32 for n in range(7)]).running)


@pytest.mark.parametrize("slot", SLOT_OFFSETS)
def test_a_torn_slot_leaves_the_other_one(tmp_path: Path, slot: int) -> None:
    written(tmp_path / "log.db", 7)
    file = tmp_path / "log.db-anchor"
    content = bytearray(file.read_bytes())
    for at in range(slot, slot + SLOT_BYTES):
        content[at] ^= 1
        file.write_bytes(content)
        mark = anchored(tmp_path / "log.db")
        content[at] ^= 1

        assert mark is not None
        assert mark.position == (7 if slot == SLOT_OFFSETS[1] else 6)


def test_the_file_never_grows(tmp_path: Path) -> None:
    written(tmp_path / "log.db", 100)

    assert (tmp_path / "log.db-anchor").stat().st_size == FILE_SIZE


def test_a_write_is_synced_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, synced = [100.0], list[int]()
    monkeypatch.setattr(anchor, "monotonic", lambda: now[0])
    opened = Anchor(tmp_path / "log.db")
    opened.start(START)
    monkeypatch.setattr(os, "fsync", synced.append)
    clean = opened.sync_when_due()
    opened.write(START)
    now[0] += 0.75
    soon = opened.sync_when_due()
    unsynced = list(synced)
    now[0] += 0.25
    due = opened.sync_when_due()
    opened.close()

    assert (clean, soon, due) == (None, 0.25, None)
    assert (len(unsynced), len(synced)) == (0, 1)


@pytest.mark.anyio
async def test_a_cut_tail_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path, 5)
    change(path, "delete from record where position > 3")

    with pytest.raises(Corrupt) as caught:
        async with open_sqlite(path):
            pass

    error = caught.value
    assert (error.where, error.expected, error.found, error.exit_code) == (str(path), "at least 5 records", "3 records", 9)
    assert "renew_anchor=True" in error.instead


@pytest.mark.anyio
async def test_a_restored_old_file_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    tail = await made(path, 3)
    shutil.copy(path, tmp_path / "backup")
    async with open_sqlite(path) as carrier:
        await accepted(carrier.log, row_of(STREAM, 2, after=tail, first=4))
    shutil.copy(tmp_path / "backup", path)

    with pytest.raises(Corrupt, match="does not reach its anchor"):
        async with open_sqlite(path):
            pass


@pytest.mark.anyio
async def test_a_file_with_another_history_of_the_same_length_is_corrupt(tmp_path: Path) -> None:
    await made(tmp_path / "log.db", 5)
    async with open_sqlite(tmp_path / "other.db") as carrier:
        await accepted(carrier.log, row_of(STREAM, 5, first=11))
    shutil.copy(tmp_path / "other.db", tmp_path / "log.db")

    with pytest.raises(Corrupt, match="a record with digest"):
        async with open_sqlite(tmp_path / "log.db"):
            pass


LENGTHS = [1, BLOCK_RECORDS - 1, BLOCK_RECORDS, BLOCK_RECORDS + 1, 2 * BLOCK_RECORDS]


@pytest.mark.anyio
@pytest.mark.parametrize("length", LENGTHS)
async def test_opening_again_leaves_the_anchor_as_it_was(tmp_path: Path, length: int) -> None:
    await made(tmp_path / "log.db", length)
    before = anchored(tmp_path / "log.db")
    async with open_sqlite(tmp_path / "log.db"):
        pass

    assert anchored(tmp_path / "log.db") == before
    assert verify_file(tmp_path / "log.db").findings == []


@pytest.mark.anyio
@pytest.mark.parametrize("length", LENGTHS)
async def test_another_record_at_the_anchored_position_is_corrupt(tmp_path: Path, length: int) -> None:
    await made(tmp_path / "log.db", length)
    change(tmp_path / "log.db", "update record set digest = zeroblob(32) where position = ?", length)

    with pytest.raises(Corrupt, match="a record with digest"):
        async with open_sqlite(tmp_path / "log.db"):
            pass


@pytest.mark.anyio
async def test_a_changed_record_shortly_before_the_anchor_is_corrupt_too(tmp_path: Path) -> None:
    await made(tmp_path / "log.db", BLOCK_RECORDS + 5)
    change(tmp_path / "log.db", "update record set digest = zeroblob(32) where position = ?", BLOCK_RECORDS + 2)

    with pytest.raises(Corrupt, match="running digest"):
        async with open_sqlite(tmp_path / "log.db"):
            pass


@pytest.mark.anyio
async def test_a_lost_file_is_corrupt_and_not_a_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    path.unlink()

    with pytest.raises(Corrupt, match="0 records"):
        async with open_sqlite(path):
            pass


@pytest.mark.anyio
@pytest.mark.parametrize("content", [None, b"", bytes(FILE_SIZE)])
async def test_a_lost_or_empty_anchor_is_corrupt(tmp_path: Path, content: bytes | None) -> None:
    path, file = tmp_path / "log.db", tmp_path / "log.db-anchor"
    await made(path)
    file.unlink()
    if content is not None:
        file.write_bytes(content)

    for _ in range(2):  # the refused opening must not make it good
        with pytest.raises(Corrupt, match="an anchor file with a whole slot"):
            async with open_sqlite(path):
                pass


@pytest.mark.anyio
async def test_a_log_may_be_ahead_of_its_anchor(tmp_path: Path) -> None:
    """A kill between commit and anchor, or a power cut that took the last second of anchors."""
    path, file = tmp_path / "log.db", tmp_path / "log.db-anchor"
    tail = await made(path, 40)
    old = file.read_bytes()
    async with open_sqlite(path) as carrier:
        await accepted(carrier.log, row_of(STREAM, 40, after=tail, first=41))
    newest = anchored(path)
    file.write_bytes(old)

    async with open_sqlite(path):
        pass

    assert anchored(path) == newest


@pytest.mark.anyio
async def test_a_killed_process_leaves_its_anchor(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with another_process(path, appends=7) as holder:
        holder.kill()
        holder.wait()
        mark = anchored(path)

    assert mark is not None
    assert mark.position == 7


@pytest.mark.anyio
async def test_what_is_left_can_be_accepted_knowingly(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path, 5)
    change(path, "delete from record where position > 3")

    async with open_sqlite(path, renew_anchor=True) as carrier:
        records = (await carrier.log.load({STREAM: 0}))[STREAM]
        await accepted(carrier.log, row_of(STREAM, 1, after=records[-1].tail, first=4))
    async with open_sqlite(path) as carrier:
        again = (await carrier.log.load({STREAM: 0}))[STREAM]

    assert (len(records), [record.position for record in again]) == (3, [1, 2, 3, 4])
    assert isinstance(again[-1].tail, Tail)
