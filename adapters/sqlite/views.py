"""Views for doors: read-only listings, under asyncio, usable while another process holds the file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from ...eventlog.blobs import Blob, Check, damaged
from ...eventlog.errors import NotFound
from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Record, verified
from ...eventlog.search import Search
from .attributes import candidates
from .blob_rows import CHUNK, KNOWN, checked
from .faults import explained
from .rows import HEAD, RECORD, Row, record_of, summary_of
from .schema import BUSY_SECONDS, READING, connect_reader, placed, reading_uri

NEWEST = f"""select {HEAD} from head where stream >= ? and stream < ? and (? is null or status = ?) and (started_at, stream) < (?, ?)
    order by started_at desc, stream desc limit ?"""  # noqa: S608
ONE = f"select {HEAD} from head where stream = ?"  # noqa: S608
OF_STREAM = f"select {RECORD} from record where stream = ? and first > ? order by first limit ?"  # noqa: S608

PAGE = 1000
BEHIND_ALL = (2**63 - 1, "\U0010ffff")


class Views:
    """What doors show of a log."""

    def __init__(self, db: aiosqlite.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    async def newest(
        self, *, prefix: str = "", status: str | None = None, after: tuple[int, str] | None = None, limit: int = 100
    ) -> Sequence[Summary]:
        """Heads by `started_at`, newest first, behind (started_at, stream) of the page before."""
        rows = await self._rows(NEWEST, prefix, prefix + BEHIND_ALL[1], status, status, *(after or BEHIND_ALL), limit)
        return [summary_of(row) for row in rows]

    async def find(self, search: Search, *, limit: int = 100) -> Sequence[Summary]:
        """Heads that a search wants, newest first; the index says where to look, the heads decide."""
        place, values = candidates(search.where) if search.where else ("head where true", [])
        bounds = search.prefix, search.prefix + BEHIND_ALL[1]
        question = f"""select {HEAD} from {place} and stream >= ? and stream < ? and (started_at, stream) < (?, ?)
            order by started_at desc, stream desc limit {PAGE}"""  # noqa: S608
        found: list[Summary] = []
        after = BEHIND_ALL
        while len(found) < limit:
            page = [summary_of(row) for row in await self._rows(question, *values, *bounds, *after)]
            found += (summary for summary in page if search.wants(summary.stream, summary.head))
            if len(page) < PAGE:
                break
            after = page[-1].head.started_at, page[-1].stream
        return found[:limit]

    async def head(self, stream: str) -> Summary | None:
        rows = await self._rows(ONE, stream)
        return summary_of(rows[0]) if rows else None

    async def records(self, stream: str, *, limit: int = 100_000) -> Sequence[Record]:
        """The records of a stream from its start, their chain verified."""
        return list(verified(stream, EMPTY, map(record_of, await self._rows(OF_STREAM, stream, 0, limit))))

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        """The content of a blob, in chunks, each checked before it is given."""
        check, number = Check(stream, blob), 0
        if not await self._rows(KNOWN, stream, blob.digest):
            raise damaged(stream, blob, "")
        while not check.complete:
            rows = await self._rows(CHUNK, stream, blob.digest, number)
            if chunk := checked(rows[0] if rows else None, check):
                yield chunk
            number += 1

    async def _rows(self, question: str, *values: Any) -> list[Row]:
        try:
            return [tuple(row) for row in await self._db.execute_fetchall(question, values)]
        except sqlite3.Error as error:
            raise explained(error, self._path) from error


@asynccontextmanager
async def open_views(path: str | Path) -> AsyncGenerator[Views]:
    """Views of the log at `path`; no lock is taken and nothing is written."""
    place = placed(path)
    if not place.exists():
        raise NotFound("there is no log", who="the SQLite log", where=str(place), instead="correct the path, or start a run first")
    try:
        connect_reader(place).close()  # refuses what is no log of ours, with the reason
        async with aiosqlite.connect(reading_uri(place), uri=True, isolation_level=None, timeout=BUSY_SECONDS) as db:
            for pragma in READING:
                await db.execute(pragma)
            yield Views(db, place)
    except sqlite3.Error as error:
        raise explained(error, place) from error
