"""The whole-file check finds what reading a run cannot see, also beside the process that holds the file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file, verify_log
from perdure.eventlog.errors import Invalid, NotFound
from perdure.eventlog.records import EMPTY, sealed
from perdure.eventlog.report import Report
from perdure.eventlog.snapshots import Snapshot
from tests.adapters.sqlite.holding import another_process, change
from tests.eventlog.making import STREAM, accepted, content, grown, head

pytestmark = pytest.mark.anyio

OTHER = "workflow/default/other"


async def filled(path: Path) -> None:
    async with open_sqlite(path) as carrier:
        first = sealed(OTHER, EMPTY, content(1), 4, head())
        await accepted(carrier.log, [first])
        await grown(carrier.log, STREAM, 40)
        await carrier.snapshots.save([Snapshot.of(OTHER, first.tail, 1, b"state")])


def what(report: Report) -> list[tuple[str, str]]:
    return [(finding.stream, finding.where) for finding in report.findings]


async def test_an_intact_log_is_counted(tmp_path: Path) -> None:
    await filled(tmp_path / "log.db")

    report = verify_file(tmp_path / "log.db")

    assert (report.verdict, report.findings) == ("intact", [])
    assert (report.records, report.events, report.streams, report.heads, report.snapshots) == (41, 44, 2, 1, 1)
    assert (report.position, report.anchored, len(report.running)) == (41, 41, 64)


DAMAGE = {
    f"update record set data = x'00' where stream = '{STREAM}' and first = 3": (STREAM, "version 3, position 4"),
    "delete from record where position = 10": (STREAM, "position 10"),
    "delete from record where position = 41": ("", "anchor"),
    f"update head set version = 9 where stream = '{OTHER}'": (OTHER, "table head"),
    f"delete from record where stream = '{OTHER}'": (OTHER, "table head"),
    "update snapshot set data = x'00'": (OTHER, "table snapshot"),
    f"update record set stream = '{OTHER}' where position = 41": (OTHER, "version 40, position 41"),
}


@pytest.mark.parametrize("statement", DAMAGE)
async def test_damage_is_found_and_named(tmp_path: Path, statement: str) -> None:
    await filled(tmp_path / "log.db")
    change(tmp_path / "log.db", statement)

    report = verify_file(tmp_path / "log.db")

    assert report.verdict == "damaged"
    assert DAMAGE[statement] in what(report)


async def test_a_whole_history_made_anew_does_not_fit_the_anchor(tmp_path: Path) -> None:
    await filled(tmp_path / "log.db")
    async with open_sqlite(tmp_path / "forged.db") as carrier:
        await accepted(carrier.log, [sealed(OTHER, EMPTY, content(2), 4)])
        await grown(carrier.log, STREAM, 40)
    shutil.copy(tmp_path / "forged.db", tmp_path / "log.db")

    assert what(verify_file(tmp_path / "log.db")) == [("", "position 41")]


async def test_a_lost_anchor_is_found(tmp_path: Path) -> None:
    await filled(tmp_path / "log.db")
    (tmp_path / "log.db-anchor").unlink()

    assert what(verify_file(tmp_path / "log.db")) == [("", "anchor")]


async def test_a_flipped_bit_in_an_index_is_found(tmp_path: Path) -> None:
    """An index that lost an entry shortens what a run reads, and no chain sees it."""
    path = tmp_path / "log.db"
    await filled(path)
    content, entry = bytearray(path.read_bytes()), STREAM.encode() + bytes([40, 41])
    at = content.index(entry)
    assert content.count(entry) == 1, "the entry (stream, 40) of the unique index, and the position it leads to"
    content[at + len(STREAM) - 1] ^= 1
    path.write_bytes(content)

    report = verify_file(path)

    assert report.verdict == "damaged"
    assert {finding.where for finding in report.findings} == {"integrity_check"}


async def test_a_log_that_another_process_holds_can_be_verified(tmp_path: Path) -> None:
    with another_process(tmp_path / "log.db", appends=9):
        report = await verify_log(tmp_path / "log.db")

    assert (report.verdict, report.records, report.anchored) == ("intact", 9, 9)


async def test_an_open_carrier_can_be_verified(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        await grown(carrier.log, STREAM, 3)

        assert ((await verify_log(carrier)).verdict, (await verify_log(carrier)).records) == ("intact", 3)


async def test_verifying_a_killed_process_log_changes_nothing_that_matters(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with another_process(path, appends=9) as holder:
        holder.kill()
        holder.wait()
    before = path.read_bytes()
    report = verify_file(path)

    assert (report.verdict, report.records, path.read_bytes() == before) == ("intact", 9, True)
    async with open_sqlite(path) as carrier:
        assert len((await carrier.log.load({STREAM: 0}))[STREAM]) == 9


async def test_a_file_that_is_torn_in_the_middle_is_reported_and_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await filled(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(4096 * 2) + content[4096 * 3 :])

    assert verify_file(path).verdict == "damaged"


async def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    change(tmp_path / "other.db", "create table songs (title text)")

    with pytest.raises(Invalid, match="another program"):
        verify_file(tmp_path / "other.db")
    with pytest.raises(NotFound, match="there is no log"):
        verify_file(tmp_path / "none.db")
