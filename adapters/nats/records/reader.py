"""Reading records from JetStream: the newest of a stream from the leader, or a stream in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from ....eventlog.records import Record
from ..wire.messages import Message, record_of
from ..wire.store import Store
from .headlines import without_head


class Reader:
    """Reads the records of one namespace."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def last(self, stream: str) -> Record | None:
        """The newest record of a stream, from the leader: a follower may lag behind what was acknowledged."""
        found = await self.store.last("LOG", self.store.subjects.of(stream))
        return None if found is None else record_in(found)

    async def behind(self, stream: str, sequence: int) -> Record | None:
        """The first record of a stream behind a sequence, from the leader."""
        found = await self.store.behind("LOG", self.store.subjects.of(stream), sequence)
        return None if found is None else record_in(found)

    async def pages(self, stream: str, start: int = 1) -> AsyncIterator[list[Record]]:
        """The records of a stream from a sequence on, a page at a time."""
        async for page in self.store.pages("LOG", self.store.subjects.of(stream), start):
            yield [record_in(message) for message in page]

    async def complete(self, stream: str) -> AsyncIterator[list[Record]]:
        """All records of a stream, as many as the leader has now, a page at a time."""
        async for page in self.store.complete("LOG", self.store.subjects.of(stream)):
            yield [record_in(message) for message in page]

    async def everything(self) -> AsyncIterator[list[Record]]:
        """All records of all streams, in their order, as many as the leader has now, a page at a time."""
        async for page in self.store.complete("LOG", self.store.subjects.all):
            yield [record_in(message) for message in page]

    async def newest_of(self, streams: Sequence[str]) -> Mapping[str, Record]:
        """The newest record of each stream that has one, as some replica knows it."""
        found = await self.store.newest_of("LOG", [self.store.subjects.of(stream) for stream in streams])
        return {record.stream: record for record in map(record_in, found.values())}

    async def all_of(self, stream: str, start: int = 1) -> list[Record]:
        """The records of a stream from a sequence on, as many as the leader has now."""
        return [record_in(message) for message in await self.store.everything("LOG", self.store.subjects.of(stream), start)]


def record_in(message: Message) -> Record:
    """The record that a message of the log holds."""
    return record_of(message, without_head(message.headers, message.data))
