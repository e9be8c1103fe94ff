"""Blobs in chunks, below the subject of their stream, and a last message, named by the digest, that says they are all there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from uuid import uuid4

import msgspec
from msgspec import Struct

from ....eventlog.blobs import Blob, Check, Gathering, chunks_of, damaged
from ..wire.store import Store

PART, TREE = "BLOBS", "blob"


class Whole(Struct, frozen=True, gc=False):
    """A blob that is complete: its bytes, and the token below which its chunks are, numbered from 0."""

    size: int
    chunks: int
    key: str


encode = msgspec.json.Encoder().encode
whole = msgspec.json.Decoder(Whole).decode


class JetStreamBlobs:
    """Blobs in one bucket. What was begun and never completed has no name, and goes when its stream is deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, stream: str, content: bytes) -> Blob:
        blob = Blob.of(content)
        if await self.find(stream, blob.digest) is None:
            chunks = list(chunks_of(content))
            for number, chunk in enumerate(chunks):
                await self.keep(stream, blob.digest, number, chunk)
            await self.name(stream, blob, Whole(blob.size, len(chunks), blob.digest))
        return blob

    def upload(self, stream: str) -> JetStreamUpload:
        return JetStreamUpload(self, stream)

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        found = await self.find(stream, blob.digest)
        if found is None:
            raise damaged(stream, blob, "")
        check, number = Check(stream, blob), 0
        async for page in self._store.complete(PART, f"{self._subject(stream)}.{found.key}.*"):
            for message in page:
                if message.subject.rpartition(".")[2] != str(number):
                    raise check.damaged(f"{number} chunks in order, then {message.subject}")
                number += 1
                yield check.take(message.data)
        check.end()

    async def delete(self, stream: str) -> None:
        await self._store.purge(PART, f"{self._subject(stream)}.>")

    async def mark(self) -> int:
        newest = await self._store.last(PART, self._store.subjects.tree(TREE))
        return 0 if newest is None else newest.sequence

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        """First the chunks, then the name: as long as it is there nobody writes the same content, and once it is gone all of it is."""
        for digest in digests:
            if mark and (found := await self.find(stream, digest)) is not None:
                await self._store.purge(PART, f"{self._subject(stream)}.{found.key}.*", mark)
                await self._store.purge(PART, f"{self._subject(stream)}.{digest}", mark)

    async def find(self, stream: str, digest: str) -> Whole | None:
        """Where a blob is; from the leader, since it has to be there before an event names it."""
        found = await self._store.last(PART, f"{self._subject(stream)}.{digest}")
        if found is None:
            return None
        try:
            return whole(found.data)
        except msgspec.MsgspecError:
            raise damaged(stream, Blob(digest, 0), f"an entry that cannot be read: {found.data[:80]!r}") from None

    async def keep(self, stream: str, key: str, number: int, chunk: bytes) -> None:
        """Store a chunk; one that is there already is left."""
        await self._store.replace(PART, f"{self._subject(stream)}.{key}.{number}", chunk, 0)

    async def name(self, stream: str, blob: Blob, entry: Whole) -> bool:
        """Say that it is complete; False where one of the same content is."""
        return await self._store.replace(PART, f"{self._subject(stream)}.{blob.digest}", encode(entry), 0) is not None

    async def forget(self, stream: str, key: str) -> None:
        await self._store.purge(PART, f"{self._subject(stream)}.{key}.*")

    def _subject(self, stream: str) -> str:
        return self._store.subjects.of(stream, TREE)


class JetStreamUpload:
    """Content on its way; its chunks are below a token of their own until its digest is known."""

    def __init__(self, blobs: JetStreamBlobs, stream: str) -> None:
        self._blobs = blobs
        self._stream = stream
        self._key = uuid4().hex
        self._gathering = Gathering()
        self._chunks = 0
        self._done = False

    async def write(self, content: bytes) -> None:
        for chunk in self._gathering.take(content):
            await self._keep(chunk)

    async def finish(self) -> Blob:
        if rest := self._gathering.rest():
            await self._keep(rest)
        blob = self._gathering.name()
        entry = Whole(blob.size, self._chunks, self._key)
        self._done = True  # from here on it may have a name, though its writer is cancelled before it hears so
        if not await self._blobs.name(self._stream, blob, entry):
            await self._blobs.forget(self._stream, self._key)
        return blob

    async def drop(self) -> None:
        if not self._done and self._chunks:
            await self._blobs.forget(self._stream, self._key)
        self._done = True

    async def _keep(self, chunk: bytes) -> None:
        await self._blobs.keep(self._stream, self._key, self._chunks, chunk)
        self._chunks += 1
