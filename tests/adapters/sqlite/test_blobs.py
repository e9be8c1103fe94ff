"""Blobs in the file: damage is found, what was not finished is swept up, what is durable outlives the process."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import anyio
import msgspec
import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.blobs import CHUNK_BYTES, Blob, content_of
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.records import EMPTY, sealed
from tests.adapters.sqlite.holding import asked, change
from tests.eventlog.making import STREAM, accepted

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(251)) * (CHUNK_BYTES // 100)
BLOB = Blob.of(CONTENT)
DAMAGES = {
    "update chunk set data = zeroblob(length(data)) where number = 1": "does not hold what was written",
    f"update chunk set data = zeroblob(3), digest = x'{sha256(bytes(3)).hexdigest()}' where number = 1": "does not hold",
    "delete from chunk where number = 2": "does not hold what was written",
    "delete from blob": "is missing",
}


def naming(blob: Blob) -> bytes:
    return b'{"at":1,"epoch":1,"events":[{"type":"Kept","value":null,"blob":%s}]}' % msgspec.json.encode(blob)


async def filled(path: Path) -> None:
    async with open_sqlite(path) as carrier:
        await carrier.blobs.put(STREAM, CONTENT)
        await accepted(carrier.log, [sealed(STREAM, EMPTY, naming(BLOB), 1)])


async def test_a_blob_outlives_its_process(tmp_path: Path) -> None:
    await filled(tmp_path / "log.db")

    async with open_sqlite(tmp_path / "log.db") as carrier:
        assert await content_of(carrier.blobs, STREAM, BLOB) == CONTENT


@pytest.mark.parametrize("statement", DAMAGES)
async def test_damage_is_found_at_reading_and_by_the_whole_file_check(tmp_path: Path, statement: str) -> None:
    await filled(tmp_path / "log.db")
    assert (verify_file(tmp_path / "log.db").verdict, verify_file(tmp_path / "log.db").blobs) == ("intact", 1)
    change(tmp_path / "log.db", statement)

    report = verify_file(tmp_path / "log.db")

    assert [(finding.stream, finding.where) for finding in report.findings] == [(STREAM, f"version 1, blob {BLOB.digest[:12]}")]
    async with open_sqlite(tmp_path / "log.db") as carrier:
        with pytest.raises(Corrupt, match=DAMAGES[statement]):
            await content_of(carrier.blobs, STREAM, BLOB)


async def test_a_blob_that_no_event_names_is_no_damage(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        await carrier.blobs.put(STREAM, CONTENT)

    assert verify_file(tmp_path / "log.db").verdict == "intact"


async def test_what_a_dead_process_left_unfinished_is_swept_up_at_the_next_opening(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        await carrier.blobs.upload(STREAM).write(CONTENT)
    assert asked(tmp_path / "log.db", "select count(*) from chunk") == [(2,)]

    async with open_sqlite(tmp_path / "log.db"):
        pass

    assert asked(tmp_path / "log.db", "select (select count(*) from chunk), (select count(*) from blob)") == [(0, 0)]


async def test_deleting_a_stream_removes_every_chunk_of_it(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        for number in range(3):
            await carrier.blobs.put(STREAM, CONTENT * 7 + bytes(number))
        await carrier.blobs.delete(STREAM)

    assert asked(tmp_path / "log.db", "select (select count(*) from chunk), (select count(*) from blob)") == [(0, 0)]


async def test_a_writer_that_is_cancelled_while_its_content_gets_its_name_takes_nothing_of_it_away(tmp_path: Path) -> None:
    content = bytes(CHUNK_BYTES)
    async with open_sqlite(tmp_path / "log.db") as carrier:
        upload = carrier.blobs.upload(STREAM)
        await upload.write(content)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await upload.finish()
        await upload.drop()

        assert scope.cancelled_caught
        assert await content_of(carrier.blobs, STREAM, Blob.of(content)) == content
