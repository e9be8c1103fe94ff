"""Heads and snapshots prove themselves at every read; the index serves the poller."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.adapters.sqlite.heads import DUE, ascending
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.reader import Reader
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.log import Summary
from perdure.eventlog.records import EMPTY, sealed
from perdure.eventlog.snapshots import Snapshot
from tests.adapters.sqlite.holding import change
from tests.eventlog.making import STREAM, accepted, content, head

pytestmark = pytest.mark.anyio

CHANGES = {
    "version": "version + 1", "digest": "zeroblob(32)", "status": "'done'", "wake_at": "null", "title": "'other'", "started_at": "2",
    "changed_at": "1", "attributes": "x'7b7d'", "seal": "zeroblob(32)",
}  # fmt: skip


async def made(path: Path) -> None:
    async with open_sqlite(path) as carrier:
        append = sealed(STREAM, EMPTY, content(1), 1, head(wake_at=5))
        await accepted(carrier.log, [append])
        await carrier.snapshots.save([Snapshot.of(STREAM, append.tail, 1, b"state")])


@pytest.mark.parametrize("column", CHANGES)
async def test_a_changed_head_is_corrupt_and_names_its_stream(tmp_path: Path, column: str) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, f"update head set {column} = {CHANGES[column]}")

    async with open_sqlite(path) as carrier:
        with pytest.raises(Corrupt) as caught:
            await carrier.heads.get(STREAM)
        with pytest.raises(Corrupt):
            await carrier.heads.all()

    assert caught.value.who == STREAM
    assert "perdure log rebuild" in caught.value.instead


async def test_a_rebuild_mends_a_changed_head(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await made(path)
    async with open_sqlite(path) as carrier:
        whole = await carrier.heads.all()
    change(path, "update head set status = 'done'")

    async with open_sqlite(path) as carrier:
        await carrier.heads.rebuild(whole)

        assert await carrier.heads.all() == whole


@pytest.mark.parametrize("assignment", ["data = x'00'", "version = 2", "state_version = 2", "seal = null", "digest = 7", "data = 'text'"])
async def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, assignment: str) -> None:
    path = tmp_path / "log.db"
    await made(path)
    change(path, "drop table snapshot")
    change(path, "create table snapshot (stream primary key, version, digest, state_version, data, seal)")
    async with open_sqlite(path) as carrier:
        await carrier.snapshots.save([Snapshot.of(STREAM, EMPTY, 1, b"state")])
        before = await carrier.snapshots.load([STREAM])
    change(path, f"update snapshot set {assignment}")

    async with open_sqlite(path) as carrier:
        assert (list(before), await carrier.snapshots.load([STREAM])) == ([STREAM], {})


def test_due_is_answered_by_the_partial_index_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "log.db")
    reader = Reader(tmp_path / "log.db")
    plan = " ".join(str(row[3]) for row in reader.rows(f"explain query plan {DUE}", (1, 0, "", 10)))
    reader.close()
    writer.close()

    assert "USING INDEX head_due" in plan
    assert "TEMP B-TREE" not in plan


def test_an_index_that_leads_back_is_no_endless_page() -> None:
    page = [Summary(stream, EMPTY, head()) for stream in ("b", "c", "a")]

    assert ascending(page[:2], "a", lambda summary: summary.stream) == page[:2]
    with pytest.raises(Corrupt, match="out of order"):
        ascending(page, "a", lambda summary: summary.stream)
    with pytest.raises(Corrupt, match="out of order"):
        ascending(page[:1], "b", lambda summary: summary.stream)


@pytest.mark.parametrize("column", ["status", "title", "digest", "seal"])
async def test_a_changed_head_keeps_nobody_from_being_woken(tmp_path: Path, column: str) -> None:
    path = tmp_path / "log.db"
    streams = ["a", "b", "c"]
    async with open_sqlite(path) as carrier:
        await accepted(carrier.log, [sealed(stream, EMPTY, content(1), 1, head(wake_at=5)) for stream in streams])
    change(path, f"update head set {column} = {CHANGES[column]} where stream = 'b'")

    async with open_sqlite(path) as carrier:
        due = await carrier.heads.due(5)

    assert [(summary.stream, summary.head.wake_at) for summary in due] == [(stream, 5) for stream in streams]
