"""Blobs: large content kept beside the log, named by what it is.

A blob belongs to one stream and is named by the SHA-256 of its content, so a copy costs nothing, nobody can ask for the
content of another stream by its digest, and it is deleted with its stream. It is durable before the event that names
it; one that no event names (its writer died in between) is harmless. Content is checked whenever it is read. What an event
names as a value stays as long as the log; what it names as an artifact may be released, see `Named`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator
from hashlib import sha256
from typing import Protocol

import msgspec
from msgspec import Struct

from .errors import Corrupt

CHUNK_BYTES = 512 * 1024
"""What is written, read and held at once; so one blob never keeps a carrier busy for long."""


class Blob(Struct, frozen=True, gc=False, omit_defaults=True):
    """The name of a content: SHA-256 in hexadecimal, and bytes. `stored` is false where it was too large to be kept."""

    digest: str
    size: int
    stored: bool = True

    @classmethod
    def of(cls, content: bytes, *, stored: bool = True) -> Blob:
        return cls(sha256(content).hexdigest(), len(content), stored)


class Artifact(Struct, frozen=True, gc=False, omit_defaults=True):
    """A content that a step stored under a name: SHA-256 in hexadecimal, and bytes."""

    name: str
    digest: str
    size: int
    gone: int = 0
    """Since when the content is kept no longer, in microseconds since 1970; 0 while it is. Events do not say it of what they name."""

    @property
    def blob(self) -> Blob:
        return Blob(self.digest, self.size)


class Upload(Protocol):
    """Content on its way, of any length; nothing has a name before `finish`."""

    async def write(self, content: bytes) -> None: ...

    async def finish(self) -> Blob:
        """Its name, once all of it is durable."""
        ...

    async def drop(self) -> None:
        """Forget it; after `finish` this does nothing."""
        ...


class Readable(Protocol):
    """Where blobs can be read."""

    def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        """The content, in chunks of at most CHUNK_BYTES, each checked before it is given; Corrupt where one does not hold or is missing."""
        ...


class Blobs(Readable, Protocol):
    """The blobs of all streams."""

    async def put(self, stream: str, content: bytes) -> Blob:
        """The name of the content, durable when this returns; content that is there already is not written again."""
        ...

    def upload(self, stream: str) -> Upload:
        """Begin to write content whose end is not known yet."""
        ...

    async def delete(self, stream: str) -> None:
        """Remove every blob of the stream."""
        ...

    async def mark(self) -> int:
        """How far all blobs have come: what is written from now on lies behind it."""
        ...

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        """Remove these blobs of the stream, as far as they were written before the mark; repeated it is harmless.

        So a node that was asleep, and removes what another has removed long ago, does not meet what was written anew since.
        """
        ...


async def content_of(blobs: Readable, stream: str, blob: Blob) -> bytes:
    """The whole content of a blob; Corrupt where it does not hold."""
    return b"".join([chunk async for chunk in blobs.read(stream, blob)])


def chunks_of(content: bytes) -> Iterator[bytes]:
    """The content in chunks of CHUNK_BYTES, the last one shorter."""
    for start in range(0, len(content), CHUNK_BYTES):
        yield content[start : start + CHUNK_BYTES]


class Gathering:
    """Makes chunks of even size of content that comes in pieces of any size, and its name."""

    def __init__(self) -> None:
        self.size = 0
        self._digest = sha256()
        self._kept = bytearray()

    def take(self, content: bytes) -> Iterator[bytes]:
        """The chunks that are full by now."""
        self._digest.update(content)
        self.size += len(content)
        for start in range(0, len(content), CHUNK_BYTES):
            self._kept += content[start : start + CHUNK_BYTES]
            if len(self._kept) >= CHUNK_BYTES:
                yield bytes(self._kept[:CHUNK_BYTES])
                del self._kept[:CHUNK_BYTES]

    def rest(self) -> bytes:
        """The last chunk, shorter than the others."""
        kept, self._kept = bytes(self._kept), bytearray()
        return kept

    def name(self) -> Blob:
        return Blob(self._digest.hexdigest(), self.size)


class Check:
    """Holds content against its name while it is read."""

    def __init__(self, stream: str, blob: Blob) -> None:
        self._stream = stream
        self._blob = blob
        self._digest = sha256()
        self._size = 0
        self.complete = False

    def take(self, chunk: bytes) -> bytes:
        """The chunk; Corrupt where the content ends with it, or should have, and does not fit its name."""
        self._digest.update(chunk)
        self._size += len(chunk)
        if self._size >= self._blob.size:
            self.end()
        return chunk

    def end(self) -> None:
        """There is no more content: Corrupt where it does not fit its name."""
        if self._size != self._blob.size or self._digest.hexdigest() != self._blob.digest:
            raise self.damaged(f"{self._size} bytes with digest {self._digest.hexdigest()[:12]}")
        self.complete = True

    def damaged(self, found: str) -> Corrupt:
        return damaged(self._stream, self._blob, found)


def damaged(stream: str, blob: Blob, found: str) -> Corrupt:
    return Corrupt(
        "a blob does not hold what was written to it" if found else "a blob that the log names is missing",
        who=stream,
        where=f"blob {blob.digest[:12]}",
        expected=f"{blob.size} bytes with digest {blob.digest[:12]}",
        found=found or "none",
        instead="compare with a backup; 'perdure log verify' shows how far the damage goes, and other runs go on",
    )


class _Naming(Struct, gc=False):
    """What an event says of blobs: `blob` where its value is kept in one, `artifacts` where it names some,

    `released` (a mark) where the artifacts named before it are kept no longer.
    """

    blob: Blob | None = None
    artifacts: list[Artifact] = []
    released: int | None = None


class _Batch(Struct, gc=False):
    events: list[_Naming]
    at: int = 0


_decode = msgspec.json.Decoder(_Batch).decode
_NOTHING = _Batch([])


def speaks_of_blobs(data: bytes) -> bool:
    """Whether a record may name or release blobs, by a quick look at its stored bytes."""
    return b'"blob":{' in data or b'"artifacts":[' in data or b'"released":' in data


class Named:
    """The blobs that the records of one stream name, taken record by record in their order.

    The fields `blob`, `artifacts` and `released` mean this in every kind of event.
    """

    def __init__(self) -> None:
        self.values: dict[Blob, None] = {}
        self.artifacts: dict[Blob, None] = {}
        self._released: dict[Blob, int] = {}
        """And when, in microseconds since 1970."""
        self.mark = 0
        """That of the newest release."""

    def take(self, data: bytes) -> None:
        """A record, in its stored bytes."""
        try:
            batch = _decode(data) if speaks_of_blobs(data) else _NOTHING
        except msgspec.MsgspecError:
            return  # an event of another shape names none
        for event in batch.events:
            if event.blob is not None and event.blob.stored:
                self.values[event.blob] = None
            for artifact in event.artifacts:
                self.artifacts[artifact.blob] = None
            if event.released is not None:
                self._released |= dict.fromkeys(self.artifacts, batch.at)
                self.artifacts, self.mark = {}, event.released

    @property
    def kept(self) -> dict[Blob, None]:
        """Whose content must be there."""
        return self.values | self.artifacts

    @property
    def released(self) -> list[str]:
        """The digests of released artifacts, without those of which something else is kept that has the same content."""
        kept = dict.fromkeys(blob.digest for blob in self.kept)
        return [blob.digest for blob in self._released if blob.digest not in kept]

    def released_at(self, blob: Blob) -> int:
        """When it was last released, in microseconds since 1970; 0 where it is kept, or was never an artifact."""
        return 0 if blob in self.kept else self._released.get(blob, 0)


def named_in(data: bytes) -> list[Blob]:
    """The blobs that the events of one record name, whatever becomes of them later."""
    named = Named()
    named.take(data)
    return [*named.kept]
