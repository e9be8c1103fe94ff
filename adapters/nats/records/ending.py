"""Where streams end, asked so that no election is waited for but that of the log itself.

JetStream's API answers nobody while the servers' own group has no leader, and that may take seconds longer than the log has none.
So a replica is asked where its word is enough; and a leader by a publish that it can only refuse, saying where the subject ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ....eventlog.records import Record, Tail
from .reader import Reader, record_in

AT_ONCE = 16


class Ending:
    """Finds the newest records of streams to which this process may publish."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._store = reader.store

    async def sequence_of(self, stream: str, tail: Tail) -> tuple[int | None, Record | None]:
        """The sequence at which a stream ends with this tail; where it ends otherwise, None and the record that it ends with.

        A replica that has the tail is believed: should the stream have gone on, the leader refuses what is written behind it.
        """
        subject = self._store.subjects.of(stream)
        seen = await self._store.newest("LOG", subject)
        found = None if seen is None else record_in(seen)
        if found is None or found.tail != tail:
            found = await self.last(stream)
        return (found.position, None) if found is not None and found.tail == tail else (None, found)

    async def last(self, stream: str) -> Record | None:
        """The newest record of a stream, as its leader knows it."""
        subject = self._store.subjects.of(stream)
        end = await self._store.end_of(subject)
        if end == 0:
            return None
        message = None if end is None else (await self._store.at("LOG", [end])).get(end)
        if message is None or message.subject != subject:  # a replica that lags behind
            return await self._reader.last(stream)
        return record_in(message)

    async def behind(self, stream: str, sequence: int) -> Record | None:
        """The first record of a stream behind a sequence, as far as some replica has come."""
        found = await self._store.seen_behind("LOG", self._store.subjects.of(stream), sequence)
        return None if found is None else record_in(found)

    async def tails_of(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        """How far streams have come, as their leader knows it; without those that have nothing."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(stream: str) -> Record | None:
            async with turns:
                return await self.last(stream)

        found = await asyncio.gather(*map(look, streams))
        return {record.stream: record.tail for record in found if record is not None}
