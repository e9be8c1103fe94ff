"""Loading many streams at once, each held against what is known of how far it once was.

One question gives the newest record of each, and a few more those before them, which for most is all there is to read; the
others are read from the sequence behind which their records stand, where it is known. What seems to be missing is looked for
at the leader before it is called missing: other replicas lag behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from ....eventlog.errors import Corrupt
from ....eventlog.log import Version
from ....eventlog.records import EMPTY, Record, Tail
from .places import Places
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
        newest, owed = await asyncio.gather(self._reader.newest_of(after), self._tails(streams))
        found: dict[str, Sequence[Record]] = {}
        tasks: dict[str, asyncio.Task[Sequence[Record]]] = {}
        for stream, version in after.items():
            last, once = newest.get(stream, ()), owed.get(stream, EMPTY)
            if is_whole(last, version) and not lacks(last, version, once):
                found[stream] = self._kept(stream, behind(last, version))
            else:
                tasks[stream] = asyncio.create_task(self._load(stream, version, last, once))
        try:
            await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
        return {stream: found[stream] if stream in found else tasks[stream].result() for stream in streams}

    async def _tails(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        return {} if self._known is None else await self._known.tails(streams)

    async def _load(self, stream: str, version: Version, last: Sequence[Record], owed: Tail) -> Sequence[Record]:
        """With care: as many questions as it takes."""
        async with self._turns:
            if not is_whole(last, version):
                start = self._places.behind(stream, version) + 1
                last = [record async for page in self._reader.pages(stream, start) for record in page]
            if lacks(last, version, owed):
                last = await self._reader.all_of(stream)
                if lacks(last, version, owed):
                    raise shortened(stream, owed if owed.version > version else Tail(version, b""), last[-1] if last else None)
            return self._kept(stream, behind(last, version))

    def _kept(self, stream: str, records: Sequence[Record]) -> Sequence[Record]:
        """The records. Their end is remembered: so the next append of the stream can fly with the others, and nobody asks where it ends."""
        if records:
            self._places.keep(stream, records[-1].tail, records[-1].position)
        return records


def is_whole(last: Sequence[Record], version: Version) -> bool:
    """Whether the newest records of a stream are all there are behind a version."""
    return not last or last[0].first <= version + 1


def behind(records: Sequence[Record], version: Version) -> Sequence[Record]:
    return [record for record in records if record.first > version]


def lacks(records: Sequence[Record], version: Version, owed: Tail) -> bool:
    """Whether a stream ends before a version or what is owed, or does not have what is owed at its place."""
    if (records[-1].last if records else 0) < max(version, owed.version):
        return True
    return any(record.digest != owed.digest for record in records if record.last == owed.version)


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
