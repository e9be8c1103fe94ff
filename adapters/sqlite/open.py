"""Opening: the lock, the two threads, the two connections, and the bundle that a runtime stands on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from ...eventlog.log import Carrier
from .blobs import SqliteBlobs
from .heads import SqliteHeads
from .hop import Hop, never
from .lock import locked
from .log import SqliteLog
from .reader import Reader
from .schema import placed
from .snapshots import SqliteSnapshots
from .transactions import SqliteTransactions
from .writer import Writer


class Closable(Protocol):
    """What a thread owns and has to close."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


@asynccontextmanager
async def open_sqlite(path: str | Path, *, renew_anchor: bool = False) -> AsyncGenerator[Carrier]:
    """The log in the file at `path`, made if there is none, owned by this process until the end of the context.

    `renew_anchor` accepts, knowingly, a log that is cut or was replaced by an older one, and goes on from what it holds.
    """
    place = placed(path)
    with locked(place):
        async with owned("perdure-writer", partial(Writer, place, renew_anchor=renew_anchor)) as (writer, writing):
            writing.idle = writer.idle
            async with owned("perdure-reader", partial(Reader, place)) as (reader, reading):
                log = SqliteLog(writer, writing, reader, reading)
                yield Carrier(log, SqliteHeads(log), SqliteSnapshots(log), SqliteBlobs(log), "power", writer.epoch, SqliteTransactions(log))


@asynccontextmanager
async def owned(name: str, make: Callable[[], C]) -> AsyncGenerator[tuple[C, Hop]]:
    """Something made, used and closed on a thread of its own; closed even if the caller was cancelled while it was made."""
    hop, made = Hop(name), list[C]()
    try:
        await hop.run_shielded(lambda: made.append(make()))
        yield made[0], hop
    finally:
        hop.idle = never
        try:
            for thing in made:
                await hop.run_shielded(thing.close)
        finally:
            hop.stop()
