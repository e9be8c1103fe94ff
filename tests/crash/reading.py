"""Everything that can be read of a log, each read as one line that is equal if and only if what was read is equal."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec

from perdure.adapters.sqlite.log import SqliteLog
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.adapters.sqlite.views import open_views
from perdure.eventlog.errors import Corrupt, Invalid
from perdure.eventlog.log import Carrier, Summary
from perdure.eventlog.records import EMPTY, Record, Tail, verified
from tests.crash.healthy import STREAMS

ERROR = "!"
ALARM = f"{ERROR}alarm "
READ_SECONDS = 5.0
FOR_EVER = 2**62

Readings = dict[str, str]


def everything(log: Path, findings: list[str]) -> Readings:
    """Open the log and read all of it by every way there is; what verifying finds is added to `findings`."""
    readings: Readings = {}
    findings += findings_of(log)
    anyio.run(_read_all, log, readings, backend_options={"use_uvloop": False})
    return readings


def findings_of(log: Path) -> list[str]:
    """What verifying the whole file says."""
    try:
        return [f"{finding.stream} {finding.where}: {finding.what}" for finding in verify_file(log).findings]
    except Invalid as refusal:
        return [refusal.message]


async def _read_all(log: Path, readings: Readings) -> None:
    async with answering(readings, "opening"), open_sqlite(log) as carrier:
        readings["opening"] = f"epoch {carrier.epoch}"
        for stream in STREAMS:
            await noted(readings, f"read {stream}", read_of(carrier, stream))
            await noted(readings, f"head {stream}", partial(carrier.heads.get, stream))
        async with answering(readings, "load"):
            for stream, records in (await carrier.log.load(dict.fromkeys(STREAMS, 0))).items():
                await noted(readings, f"load {stream}", chain_of(stream, records))
        await noted(readings, "follow", followed(carrier))
        await noted(readings, "due", partial(all_pages, lambda last: carrier.heads.due(FOR_EVER, after=due_after(last))))
        await noted(readings, "heads", partial(all_pages, lambda last: carrier.heads.all(after=last.stream if last else "")))
        await noted(readings, "snapshots", lambda: carrier.snapshots.load(STREAMS))
        async with answering(readings, "activation"):
            for stream, snapshot in (await carrier.snapshots.load(STREAMS)).items():
                behind = (await carrier.log.load({stream: snapshot.tail.version}))[stream]
                await noted(readings, f"activation {stream}", chain_of(stream, behind, snapshot.tail))
        async with answering(readings, "views"), open_views(log) as views:
            await noted(readings, "views newest", lambda: views.newest(limit=1000))
            for stream in STREAMS[::20]:
                await noted(readings, f"views {stream}", partial(views.records, stream))


def read_of(carrier: Carrier, stream: str) -> Callable[[], Awaitable[object]]:
    async def read() -> object:
        return list(verified(stream, EMPTY, [record async for record in carrier.log.read(stream)]))

    return read


def chain_of(stream: str, records: Iterable[Record], after: Tail = EMPTY) -> Callable[[], Awaitable[object]]:
    async def chain() -> object:
        return list(verified(stream, after, records))

    return chain


def followed(carrier: Carrier) -> Callable[[], Awaitable[object]]:
    """All records by position."""

    async def follow() -> object:
        found: list[Record] = []
        assert isinstance(carrier.log, SqliteLog)
        last = carrier.log.writer.place.position
        async for record in carrier.log.follow():
            found.append(record)
            if len(found) == last:
                break
        return found

    return follow


def due_after(last: Summary | None) -> tuple[int, str] | None:
    return None if last is None else (last.head.wake_at or 0, last.stream)


async def all_pages(page_behind: Callable[[Summary | None], Awaitable[Any]]) -> list[Summary]:
    found: list[Summary] = []
    while page := await page_behind(found[-1] if found else None):
        found += page
    return found


async def noted(readings: Readings, name: str, read: Callable[[], Awaitable[object]]) -> None:
    """One read, as a line: a digest of what it returned, or how it failed; one that does not end has failed."""
    async with answering(readings, name):
        with anyio.fail_after(READ_SECONDS):
            readings[name] = sha256(msgspec.msgpack.encode(await read())).hexdigest()


@asynccontextmanager
async def answering(readings: Readings, name: str) -> AsyncGenerator[None]:
    """Errors of the block as a line: those that say that the log cannot be trusted are alarms, all others are only errors."""
    try:
        yield
    except (Corrupt, Invalid) as alarm:
        readings[name] = f"{ALARM}{type(alarm).__name__}: {alarm.message}"
    except Exception as error:
        readings[name] = f"{ERROR}{type(error).__name__}: {error}"


class Text(NamedTuple):
    """What SQLite serves as text, in its bytes; so it is told from a blob of the same bytes, which one bit may make of it."""

    content: bytes


def as_text(content: bytes) -> Text:
    return Text(content)


def served_by_sqlite(log: Path) -> str:
    """A digest of every row and setting as SQLite alone serves them, and of its own view of the pages: the bytes that matter.

    Or else why it does not serve them, or would take no write.
    """
    total = sha256()
    try:
        with closing(sqlite3.connect(f"file:{log}?mode=rw", uri=True, isolation_level=None)) as db:
            db.text_factory = as_text
            tables = [row[0].content.decode() for row in db.execute("select name from sqlite_master where type = 'table' order by name")]
            questions = ["select * from sqlite_master", *(f"select * from {table} order by 1" for table in tables)]
            for question in (*questions, "pragma application_id", "pragma user_version", "pragma journal_mode", "pragma integrity_check"):
                for row in db.execute(question):
                    total.update(repr(row).encode())
            db.execute("begin")
            db.execute("create table written (value)")
            db.execute("rollback")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    return total.hexdigest()
