"""The contract of blobs, for every carrier, on every event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import anyio
import pytest

from perdure.eventlog.blobs import CHUNK_BYTES, Blob, content_of
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryBlobs, MemoryLog
from tests.eventlog.conftest import Opener
from tests.eventlog.making import STREAM, grown

pytestmark = pytest.mark.anyio

OTHER = "workflow/default/other"
LARGE = bytes(range(256)) * (CHUNK_BYTES // 128) + b"and a little more than two chunks"


@pytest.fixture
async def carrier(open_carrier: Opener, tmp_path: Path) -> AsyncGenerator[Carrier]:
    async with open_carrier(tmp_path) as opened:
        yield opened


async def missing(carrier: Carrier, stream: str, blob: Blob) -> bool:
    try:
        await content_of(carrier.blobs, stream, blob)
    except Corrupt as error:
        return (error.who, error.found) == (stream, "none")
    return False


@pytest.mark.parametrize("content", [b"", b"x", LARGE[:CHUNK_BYTES], LARGE])
async def test_what_is_put_is_named_by_what_it_is_and_comes_back(carrier: Carrier, content: bytes) -> None:
    blob = await carrier.blobs.put(STREAM, content)

    assert blob == Blob(sha256(content).hexdigest(), len(content))
    assert await content_of(carrier.blobs, STREAM, blob) == content


async def test_content_comes_in_bounded_chunks(carrier: Carrier) -> None:
    blob = await carrier.blobs.put(STREAM, LARGE)

    chunks = [chunk async for chunk in carrier.blobs.read(STREAM, blob)]

    assert max(map(len, chunks)) <= CHUNK_BYTES
    assert len(chunks) == 3


async def test_the_same_content_may_be_put_again_by_many_at_once(carrier: Carrier) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(carrier.blobs.put, STREAM, LARGE)

    blob = await carrier.blobs.put(STREAM, LARGE)
    assert await content_of(carrier.blobs, STREAM, blob) == LARGE


async def test_a_stream_cannot_read_the_blobs_of_another(carrier: Carrier) -> None:
    blob = await carrier.blobs.put(STREAM, b"a secret")

    assert await missing(carrier, OTHER, blob)


async def test_a_blob_that_nobody_put_is_missing(carrier: Carrier) -> None:
    assert await missing(carrier, STREAM, Blob.of(b"never put"))


async def test_a_name_with_a_wrong_size_is_no_name(carrier: Carrier) -> None:
    blob = await carrier.blobs.put(STREAM, b"seven b")

    with pytest.raises(Corrupt, match="does not hold what was written"):
        await content_of(carrier.blobs, STREAM, Blob(blob.digest, 6))


async def test_deleting_removes_the_blobs_of_one_stream_alone(carrier: Carrier) -> None:
    blobs = [await carrier.blobs.put(STREAM, LARGE[: -1 - number]) for number in range(3)]
    kept = await carrier.blobs.put(OTHER, b"another's")

    await carrier.blobs.delete(STREAM)

    assert [await missing(carrier, STREAM, blob) for blob in blobs] == [True, True, True]
    assert await content_of(carrier.blobs, OTHER, kept) == b"another's"
    assert await carrier.blobs.put(STREAM, LARGE) == Blob.of(LARGE)
    assert await content_of(carrier.blobs, STREAM, Blob.of(LARGE)) == LARGE


async def uploaded(carrier: Carrier, content: bytes) -> Blob:
    upload = carrier.blobs.upload(STREAM)
    await upload.write(content)
    blob = await upload.finish()
    await upload.drop()
    return blob


async def test_some_blobs_of_a_stream_are_removed_and_the_others_stay(carrier: Carrier) -> None:
    put, stored = await carrier.blobs.put(STREAM, LARGE), await uploaded(carrier, LARGE + b"and more")
    kept, others = await carrier.blobs.put(STREAM, b"kept"), await carrier.blobs.put(OTHER, LARGE)
    mark = await carrier.blobs.mark()

    for _ in range(2):
        await carrier.blobs.remove(STREAM, [put.digest, stored.digest, Blob.of(b"never put").digest], mark)

    assert [await missing(carrier, STREAM, blob) for blob in (put, stored, kept)] == [True, True, False]
    assert await content_of(carrier.blobs, OTHER, others) == LARGE
    assert [await carrier.blobs.put(STREAM, LARGE), await uploaded(carrier, LARGE + b"and more")] == [put, stored]
    assert [await missing(carrier, STREAM, blob) for blob in (put, stored)] == [False, False]


async def test_what_is_written_behind_the_mark_is_not_removed(carrier: Carrier) -> None:
    await carrier.blobs.put(STREAM, b"something")
    mark = await carrier.blobs.mark()
    if not mark:
        pytest.skip("one process has the file: nobody removes late what another has removed")
    put, stored = await carrier.blobs.put(STREAM, LARGE), await uploaded(carrier, LARGE + b"and more")

    await carrier.blobs.remove(STREAM, [put.digest, stored.digest], mark)

    assert await content_of(carrier.blobs, STREAM, put) == LARGE
    assert await content_of(carrier.blobs, STREAM, stored) == LARGE + b"and more"


@pytest.mark.parametrize("piece", [1000, CHUNK_BYTES, len(LARGE)])
async def test_an_upload_is_the_same_as_a_put_however_it_is_cut(carrier: Carrier, piece: int) -> None:
    upload = carrier.blobs.upload(STREAM)
    for start in range(0, len(LARGE), piece):
        await upload.write(LARGE[start : start + piece])
    blob = await upload.finish()
    await upload.drop()

    assert blob == Blob.of(LARGE)
    assert await content_of(carrier.blobs, STREAM, blob) == LARGE


async def test_an_upload_that_is_dropped_leaves_nothing_named(carrier: Carrier) -> None:
    upload = carrier.blobs.upload(STREAM)
    await upload.write(LARGE)
    await upload.drop()

    assert await missing(carrier, STREAM, Blob.of(LARGE))


async def test_an_upload_of_known_content_keeps_the_one_that_is_there(carrier: Carrier) -> None:
    first = await carrier.blobs.put(STREAM, LARGE)
    upload = carrier.blobs.upload(STREAM)
    await upload.write(LARGE)
    second = await upload.finish()
    await upload.drop()

    assert first == second
    assert await content_of(carrier.blobs, STREAM, first) == LARGE


async def test_appends_go_on_while_a_large_blob_is_written(carrier: Carrier) -> None:
    upload = carrier.blobs.upload(STREAM)
    await upload.write(LARGE)

    await grown(carrier.log, STREAM, 3)
    await upload.write(LARGE)

    assert await content_of(carrier.blobs, STREAM, await upload.finish()) == LARGE * 2


async def test_another_content_under_a_name_is_corrupt() -> None:
    log = MemoryLog()
    blobs = MemoryBlobs(log)
    blob = await blobs.put(STREAM, b"as it was")
    log.blobs[STREAM][blob.digest] = b"as it is!"

    with pytest.raises(Corrupt, match="does not hold what was written"):
        await content_of(blobs, STREAM, blob)
