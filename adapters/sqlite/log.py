"""The log: appends go to the writer thread, reads to the reader thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio

from ...eventlog.errors import Conflict, Corrupt, Invalid
from ...eventlog.log import Cursor, Version
from ...eventlog.records import EMPTY, Append, Record, Tail, verify
from .hop import Hop
from .reader import Reader
from .rows import lost_end
from .writer import Writer


class SqliteLog:
    """All streams, in one file."""

    def __init__(self, writer: Writer, writing: Hop, reader: Reader, reading: Hop) -> None:
        self.writer = writer
        self.writing = writing
        self.reader = reader
        self.reading = reading
        self._grown: anyio.Event | None = None
        """Somebody follows, and has seen all there is."""

    @property
    def path(self) -> Path:
        return self.writer.path

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        if not appends:
            return []
        return await self.writing.run_shielded(partial(self.writer.append, appends), then=self._wake_followers)

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        return await self.reading.run(partial(self.reader.load, dict(after)))

    async def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        end = (await self.reading.run(partial(self.reader.proven_ends, [stream]))).get(stream, EMPTY)
        last = after
        while page := await self.reading.run(partial(self.reader.page_of_stream, stream, after)):
            for record in page:
                yield record
            after, last = behind(stream, after, page[-1]), page[-1].last
        if last < end.version:
            yield lost_end(end, stream)

    async def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        """All records, each checked against its stored previous digest; Corrupt where one fails or is missing."""
        position = position_of(after)
        while True:
            self._grown = grown = self._grown or anyio.Event()  # before the look, so that no commit after it is missed
            page = await self.reading.run(partial(self.reader.page_behind, position))
            for record in page:
                position += 1
                yield verify(in_place(record, position))
            if not page:
                await grown.wait()

    def cursor(self, record: Record) -> Cursor:
        return str(record.position)

    def _wake_followers(self) -> None:
        if self._grown is not None:
            self._grown.set()
            self._grown = None


def position_of(cursor: Cursor | None) -> int:
    if cursor is None:
        return 0
    if cursor.isascii() and cursor.isdigit():
        return int(cursor)
    raise Invalid("a cursor that this log never gave", who="the SQLite log", where="after", expected="what `cursor(record)` returned",
                  found=repr(cursor), instead="pass cursors on as they are, or none to start from the beginning")


def behind(stream: str, after: Version, last: Record) -> Version:
    """The version behind which the next page begins; a damaged index could lead back to where this page began, for ever."""
    if last.first > after:
        return last.first
    raise Corrupt("the index of records leads in a circle", who=stream, where=f"version {after + 1}",
                  expected=f"a record that begins behind version {after}", found=f"one that begins at version {last.first}",
                  instead="compare with a backup; 'perdure log verify' shows how far the damage goes")


def in_place(record: Record, position: int) -> Record:
    """The record, if it is the next one; positions have no gaps."""
    if record.position == position:
        return record
    raise Corrupt("a record is missing from the log", who=record.stream, where=f"position {position}", expected=f"position {position}",
                  found=f"position {record.position}", instead="compare with a backup; 'perdure log verify' shows how far the damage goes")
