"""Blobs beside the records, in the same file: chunk by chunk, so that appends go on between two chunks of a large one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from functools import partial
from sqlite3 import Connection
from typing import TypeVar

import anyio

from ...eventlog.blobs import Blob, Check, Gathering, chunks_of, damaged
from . import blob_rows as rows
from .log import SqliteLog

T = TypeVar("T")


class SqliteBlobs:
    """The blobs beside a SqliteLog."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def put(self, stream: str, content: bytes) -> Blob:
        blob = Blob.of(content)
        if await self._rows(rows.KNOWN, stream, blob.digest):
            return blob
        upload = self.upload(stream)
        try:
            for chunk in chunks_of(content):
                await upload.add(chunk)
            return await upload.named(blob)
        finally:
            await upload.drop()

    def upload(self, stream: str) -> SqliteUpload:
        return SqliteUpload(self, stream)

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        check, number = Check(stream, blob), 0
        if not await self._rows(rows.KNOWN, stream, blob.digest):
            raise damaged(stream, blob, "")
        while not check.complete:
            found = await self._rows(rows.CHUNK, stream, blob.digest, number)
            if chunk := rows.checked(found[0] if found else None, check):
                yield chunk
            number += 1

    async def delete(self, stream: str) -> None:
        await self.writing(lambda db: rows.unname(db, stream))
        for id in await self.writing(lambda db: rows.unnamed(db, stream)):
            await self.clear(id)

    async def mark(self) -> int:
        """Nothing: only one process has the file, so nobody removes what another has removed."""
        return 0

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        for id in await self.writing(lambda db: rows.unname_some(db, stream, digests)):
            await self.clear(id)

    async def clear(self, id: int) -> None:
        """Remove a blob without a name, a few chunks at a time."""
        while await self.writing(lambda db: rows.remove(db, id)):
            pass

    async def writing(self, work: Callable[[Connection], T]) -> T:
        return await self._log.writing.run_shielded(partial(self._log.writer.change, work))

    async def _rows(self, question: str, *values: object) -> list[tuple[object, ...]]:
        return await self._log.reading.run(partial(self._log.reader.rows, question, values))


class SqliteUpload:
    """Content on its way into the file."""

    def __init__(self, blobs: SqliteBlobs, stream: str) -> None:
        self._blobs = blobs
        self._stream = stream
        self._gathering = Gathering()
        self._number = 0
        self._id: int | None = None

    async def write(self, content: bytes) -> None:
        for chunk in self._gathering.take(content):
            await self.add(chunk)

    async def finish(self) -> Blob:
        if rest := self._gathering.rest():
            await self.add(rest)
        return await self.named(self._gathering.name())

    async def add(self, chunk: bytes) -> None:
        """Write the next chunk."""
        id, number = await self._begun(), self._number
        await self._blobs.writing(lambda db: rows.add(db, id, number, chunk))
        self._number += 1

    async def named(self, blob: Blob) -> Blob:
        """All chunks are there: give the blob its name."""
        id = await self._begun()
        if await self._blobs.writing(lambda db: rows.name(db, id, self._stream, blob)):
            self._id = None
        return blob

    async def drop(self) -> None:
        """Remove what has no name, even where the caller was cancelled."""
        id, self._id = self._id, None
        if id is not None:
            with anyio.CancelScope(shield=True):
                await self._blobs.clear(id)

    async def _begun(self) -> int:
        if self._id is None:
            self._id = await self._blobs.writing(lambda db: rows.begin(db, self._stream))
        return self._id
