"""The log in memory: the reference that the other carriers are held against. It survives nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from itertools import islice

import anyio

from .blobs import Blob, Check, Gathering, chunks_of, damaged
from .errors import Conflict
from .log import Carrier, Cursor, Summary, Version
from .records import GENESIS, Append, Record, Tail, recorded
from .search import Search
from .snapshots import Snapshot

NO_RECORD = Record("", 0, 0, b"", GENESIS, b"")
"""What stands before the first record of a stream."""


class MemoryLog:
    """Log, Heads, Snapshots and Blobs in dictionaries."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.streams: dict[str, list[Record]] = {}
        self.summaries: dict[str, Summary] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.blobs: dict[str, dict[str, bytes]] = {}
        """Contents by stream and digest."""
        self.blob_places: dict[tuple[str, str], int] = {}
        """As which one each was written, counted from 1 over all that ever were."""
        self.blobs_written = 0
        self._grown: anyio.Event | None = None

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        answers = list(map(self.append_one, appends))
        if self._grown is not None:
            self._grown.set()
            self._grown = None
        return answers

    def append_one(self, append: Append) -> Tail | Conflict:
        """Add one record, or say why not."""
        stream = self.streams.get(append.stream)
        last, expected = (stream[-1] if stream else NO_RECORD), append.expected
        if last.digest != expected.digest or last.last != expected.version:
            return conflict(append, last.tail)
        record = recorded(append, len(self.records) + 1)
        self.records.append(record)
        if stream is None:
            self.streams[append.stream] = [record]
        else:
            stream.append(record)
        if append.head is not None:
            self.summaries[append.stream] = Summary(append.stream, append.tail, append.head)
        return append.tail

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        return {stream: [r for r in self.streams.get(stream, ()) if r.first > version] for stream, version in after.items()}

    async def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        for record in tuple(self.streams.get(stream, ())):
            if record.first > after:
                yield record

    async def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        place = int(after or 0)
        while True:
            while place < len(self.records):
                place += 1
                yield self.records[place - 1]
            if self._grown is None:
                self._grown = anyio.Event()
            await self._grown.wait()

    def cursor(self, record: Record) -> Cursor:
        return str(record.position)

    def carrier(self, epoch: int = 1) -> Carrier:
        return Carrier(self, MemoryHeads(self), MemorySnapshots(self), MemoryBlobs(self), "memory", epoch)


class MemoryHeads:
    """The heads of a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log

    async def get(self, stream: str) -> Summary | None:
        return self.log.summaries.get(stream)

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        waking = ((s.head.wake_at, s.stream) for s in self.log.summaries.values() if s.head.wake_at is not None)
        keyed = sorted(key for key in waking if key[0] <= before)
        return [self.log.summaries[key[1]] for key in keyed if after is None or key > after][:limit]

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        streams = sorted(s for s in self.log.summaries if s.startswith(prefix) and s > after)
        return [self.log.summaries[stream] for stream in streams[:limit]]

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        streams = sorted(stream for stream in self.log.summaries if stream > after)
        summaries = (self.log.summaries[stream] for stream in streams)
        return list(islice((summary for summary in summaries if search.wants(summary.stream, summary.head)), limit))

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        self.log.summaries = {summary.stream: summary for summary in summaries}


class MemorySnapshots:
    """The snapshots of a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]:
        return {stream: self.log.snapshots[stream] for stream in streams if stream in self.log.snapshots}

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        self.log.snapshots.update((snapshot.stream, snapshot) for snapshot in snapshots)

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        stream = min((stream for stream in self.log.snapshots if stream > cursor), default=None)
        return None if stream is None else (stream, stream)


class MemoryBlobs:
    """The blobs beside a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log

    async def put(self, stream: str, content: bytes) -> Blob:
        blob = Blob.of(content)
        if blob.digest not in self.log.blobs.setdefault(stream, {}):
            self.log.blobs_written += 1
            self.log.blob_places[stream, blob.digest] = self.log.blobs_written
        self.log.blobs[stream][blob.digest] = content
        return blob

    def upload(self, stream: str) -> MemoryUpload:
        return MemoryUpload(self, stream)

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        content = self.log.blobs.get(stream, {}).get(blob.digest)
        if content is None:
            raise damaged(stream, blob, "")
        check = Check(stream, blob)
        for chunk in chunks_of(content):
            yield check.take(chunk)
        check.end()

    async def delete(self, stream: str) -> None:
        self.log.blobs.pop(stream, None)

    async def mark(self) -> int:
        return self.log.blobs_written

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        there = self.log.blobs.get(stream, {})
        for digest in digests:
            if digest in there and self.log.blob_places.get((stream, digest), 0) <= mark:
                del there[digest]


class MemoryUpload:
    """Content on its way to MemoryBlobs."""

    def __init__(self, blobs: MemoryBlobs, stream: str) -> None:
        self._blobs = blobs
        self._stream = stream
        self._gathering = Gathering()
        self._chunks: list[bytes] = []

    async def write(self, content: bytes) -> None:
        self._chunks.extend(self._gathering.take(content))

    async def finish(self) -> Blob:
        return await self._blobs.put(self._stream, b"".join([*self._chunks, self._gathering.rest()]))

    async def drop(self) -> None:
        self._chunks.clear()


def conflict(append: Append, found: Tail) -> Conflict:
    """What a log answers to an append that comes too late."""
    return Conflict(
        "someone else wrote to the stream first",
        who=append.stream,
        expected=f"version {append.expected.version}, digest {append.expected.digest.hex()[:12]}",
        found=f"version {found.version}, digest {found.digest.hex()[:12]}",
        instead="reload and decide again",
    )
