"""A carrier on an event loop of its own, in a thread of its own: the clock of the corpus jumps, and the wire's must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Thread
from typing import Any, TypeVar

from perdure.eventlog.blobs import Blob, Upload
from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Carrier, Cursor, Log, Summary, Version
from perdure.eventlog.records import Append, Record, Tail
from perdure.eventlog.search import Search
from perdure.eventlog.snapshots import Snapshot

T = TypeVar("T")


class Aside:
    """A thread with a loop; whoever asks from another asyncio loop waits there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name="corpus-aside", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop)))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@asynccontextmanager
async def carried_aside(open_carrier: Callable[[], AbstractAsyncContextManager[Carrier]]) -> AsyncGenerator[Carrier]:
    """The carrier that is opened, used and closed in the thread."""
    aside = Aside()
    opener = open_carrier()

    async def enter() -> Carrier:
        return await opener.__aenter__()

    async def leave() -> None:
        await opener.__aexit__(None, None, None)

    try:
        there = await aside.run(enter())
        try:
            yield Carrier(LogAside(aside, there.log), HeadsAside(aside, there), SnapshotsAside(aside, there), BlobsAside(aside, there),
                          there.durability, there.epoch)
        finally:
            await aside.run(leave())
    finally:
        aside.stop()


class LogAside:
    def __init__(self, aside: Aside, log: Log) -> None:
        self._aside, self._log = aside, log

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        return await self._aside.run(self._log.append(appends))

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        return await self._aside.run(self._log.load(after))

    async def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        async def everything() -> list[Record]:
            return [record async for record in self._log.read(stream, after=after)]

        for record in await self._aside.run(everything()):
            yield record

    def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        raise AssertionError("no play of the corpus follows")

    def cursor(self, record: Record) -> Cursor:
        return self._log.cursor(record)


class HeadsAside:
    def __init__(self, aside: Aside, there: Carrier) -> None:
        self._aside, self._heads = aside, there.heads

    async def get(self, stream: str) -> Summary | None:
        return await self._aside.run(self._heads.get(stream))

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        return await self._aside.run(self._heads.due(before, after=after, limit=limit))

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        return await self._aside.run(self._heads.all(prefix=prefix, after=after, limit=limit))

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        return await self._aside.run(self._heads.find(search, after=after, limit=limit))

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        await self._aside.run(self._heads.rebuild(summaries))


class SnapshotsAside:
    def __init__(self, aside: Aside, there: Carrier) -> None:
        self._aside, self._snapshots = aside, there.snapshots

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]:
        return await self._aside.run(self._snapshots.load(streams))

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        await self._aside.run(self._snapshots.save(snapshots))

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        return await self._aside.run(self._snapshots.behind(cursor))


class BlobsAside:
    def __init__(self, aside: Aside, there: Carrier) -> None:
        self._aside, self._blobs = aside, there.blobs

    async def put(self, stream: str, content: bytes) -> Blob:
        return await self._aside.run(self._blobs.put(stream, content))

    def upload(self, stream: str) -> Upload:
        return UploadAside(self._aside, self._blobs.upload(stream))

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        async def everything() -> list[bytes]:
            return [chunk async for chunk in self._blobs.read(stream, blob)]

        for chunk in await self._aside.run(everything()):
            yield chunk

    async def delete(self, stream: str) -> None:
        await self._aside.run(self._blobs.delete(stream))

    async def mark(self) -> int:
        return await self._aside.run(self._blobs.mark())

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        await self._aside.run(self._blobs.remove(stream, digests, mark))


class UploadAside:
    def __init__(self, aside: Aside, there: Upload) -> None:
        self._aside, self._upload = aside, there

    async def write(self, content: bytes) -> None:
        await self._aside.run(self._upload.write(content))

    async def finish(self) -> Blob:
        return await self._aside.run(self._upload.finish())

    async def drop(self) -> None:
        await self._aside.run(self._upload.drop())
