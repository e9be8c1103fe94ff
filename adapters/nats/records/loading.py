"""Loading many streams at once, each held against what is known of how far it once was.

One question gives the newest record of each, which for most is all there is to read; the others are read from the sequence
behind which their records stand, where it is known. What seems to be missing is looked for at the leader before it is
called missing: other replicas lag behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from ....eventlog.errors import Corrupt
from ....eventlog.log import Version
from ....eventlog.records import EMPTY, Record, Tail
from .committer import Places
from .reader import Reader

AT_ONCE = 16


class Known(Protocol):
    """Knows how far streams have been, beyond what the log says."""

    async def tails(self, streams: Sequence[str]) -> Mapping[str, Tail]: ...


class Loading:
    """Loads records behind versions."""

    def __init__(self, reader: Reader, places: Places, known: Known | None) -> None:
        self._reader = reader
        self._places = places
        self._known = known
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        """The records of each stream behind its version; Corrupt where one ends before it once did, or goes on otherwise."""
        streams = list(after)
        newest, owed = await asyncio.gather(self._reader.newest_of(streams), self._tails(streams))
        tasks = [asyncio.create_task(self._load(stream, after[stream], newest.get(stream), owed.get(stream, EMPTY))) for stream in streams]
        try:
            return dict(zip(streams, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()

    async def _tails(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        return {} if self._known is None else await self._known.tails(streams)

    async def _load(self, stream: str, version: Version, newest: Record | None, owed: Tail) -> list[Record]:
        async with self._turns:
            records = await self._behind(stream, version, newest)
            if lacks(records, newest, version, owed):
                records = [record for record in await self._reader.all_of(stream) if record.first > version]
                newest = await self._reader.last(stream)
                if lacks(records, newest, version, owed):
                    raise shortened(stream, owed if owed.version > version else Tail(version, b""), newest)
            if records:  # so the next append of the stream can fly with the others, and nobody asks where it ends
                self._places.keep(stream, records[-1].tail, records[-1].position)
            return records

    async def _behind(self, stream: str, version: Version, newest: Record | None) -> list[Record]:
        if newest is None or newest.last <= version:
            return []
        if newest.first == version + 1:
            return [newest]
        start = self._places.behind(stream, version) + 1
        return [record async for page in self._reader.pages(stream, start) for record in page if record.first > version]


def lacks(records: Sequence[Record], newest: Record | None, version: Version, owed: Tail) -> bool:
    """Whether a stream, read behind a version, ends before that version or what is owed, or does not have what is owed at its place."""
    end = records[-1].last if records else 0 if newest is None else newest.last
    if end < max(version, owed.version):
        return True
    there = [record for record in (*records, *([newest] if newest is not None else ())) if record.last == owed.version]
    return any(record.digest != owed.digest for record in there)


def shortened(stream: str, owed: Tail, newest: Record | None) -> Corrupt:
    found = f"version {newest.last}, digest {newest.digest.hex()[:12]}" if newest is not None else "no record at all"
    digest = f", digest {owed.digest.hex()[:12]}" if owed.digest else ""
    return Corrupt(
        "a stream ends before it once did, or goes on otherwise",
        who=stream,
        where=f"version {owed.version}",
        expected=f"version {owed.version}{digest}, as anchors, heads or a snapshot say",
        found=found,
        instead="do not write to this stream; put back what was removed from the JetStream stream, or compare with a backup",
    )
