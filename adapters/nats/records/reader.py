"""Reading records from JetStream: the newest of a stream from the leader, or a stream in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from ....eventlog.log import Version
from ....eventlog.records import Record
from ..wire.messages import FENCE, Message, record_of, stream_of_subject
from ..wire.store import Store
from .headlines import without_head

BACK_MAX = 16
"""A stream with more events to be read is read in pages."""


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

    async def newest_of(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        """The newest record of each stream that has one, as some replica knows it, and those before it, back to the version given.

        Each message names, as its fence, the one before it in its stream: so of all streams together those are asked for, again and
        again. Of a stream that has more than `BACK_MAX` events behind that version, not all may be there; the newest is always.
        """
        found = await self.store.newest_of("LOG", [self.store.subjects.of(stream) for stream in after])
        records: dict[str, list[Record]] = {}
        before: dict[str, int] = {}
        for message in found.values():
            record = record_in(message)
            records[record.stream] = [record]
            if 0 < record.first - 1 - after[record.stream] <= BACK_MAX:
                before[record.stream] = fence_in(message)
        while before := {stream: sequence for stream, sequence in before.items() if sequence}:
            messages = await self.store.at("LOG", sorted(before.values()))
            before = dict(step_back(records[stream], after[stream], messages.get(sequence)) for stream, sequence in before.items())
        return {stream: back[::-1] for stream, back in records.items()}

    async def all_of(self, stream: str, start: int = 1) -> list[Record]:
        """The records of a stream from a sequence on, as many as the leader has now."""
        return [record_in(message) for message in await self.store.everything("LOG", self.store.subjects.of(stream), start)]


def step_back(back: list[Record], version: Version, message: Message | None) -> tuple[str, int]:
    """Add the record before the last of these; the stream, and the sequence of the next one, 0 where there is none, or it does not fit."""
    stream, later = back[-1].stream, back[-1]
    if message is None or stream_of_subject(message.subject) != stream:
        return stream, 0
    record = record_in(message)
    if (record.last, record.digest) != (later.first - 1, later.previous):
        return stream, 0
    back.append(record)
    return stream, fence_in(message) if record.first > version + 1 else 0


def fence_in(message: Message) -> int:
    """The sequence of the message before it in its stream; 0 where that is not told."""
    text = message.headers.get(FENCE, "")
    return int(text) if text.isdecimal() else 0


def record_in(message: Message) -> Record:
    """The record that a message of the log holds."""
    return record_of(message, without_head(message.headers, message.data))
