"""Broadcast: what happens to runs, told live on `perdure.<namespace>.events.<run>` to whoever listens.

Each worker tells what it has appended itself: to read the log for it cost as much as all else that a step does, though mostly
nobody listens. At most once: each event carries its version, so who missed one sees the gap, and reads the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from ....eventlog.codec import Stored
from ....eventlog.records import Append
from ....eventlog.streams import unescape
from ....runtime.authoring.words import moment
from ..wire.connection import Connection, NoAnswer
from ..wire.frames import END

WAITING_BYTES_MAX = 16 * 1024 * 1024
"""What waits to be told beyond that is not told."""

AT_ONCE = 200
"""Records told between two looks at the loop."""


class RunEvent(Struct, frozen=True, omit_defaults=True):
    """One event of a run, as the log keeps it; `version` counts them without a gap."""

    run: str
    version: int
    at: datetime
    event: Raw
    tenant: str = "default"


class Appends(Protocol):
    """Whoever appends: `told` hears of all appends that were stored."""

    told: Callable[[Sequence[Append]], object]


BEGINNING = b"PUB %b  %d\r\n%b%d"
"""A message up to the version in its body; what follows is there already."""

DATA = attrgetter("data")
_encode = msgspec.json.Encoder().encode
_stored = msgspec.json.Decoder(Stored).decode


class Teller:
    """Tells what it hears of, a little later and much at once."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._root = f"perdure.{namespace}.events."
        self._waiting: list[Append] = []
        self._bytes = 0
        self._more = asyncio.Event()

    def hear(self, appends: Sequence[Append]) -> None:
        runs = [append for append in appends if append.stream.startswith("run/")]
        if runs and self._bytes < WAITING_BYTES_MAX:
            self._waiting += runs
            self._bytes += sum(map(len, map(DATA, runs)))
            self._more.set()

    async def serve(self) -> None:
        """Tell it, until cancelled. What is lost on the way is a gap, which its version shows."""
        while True:
            await self._more.wait()
            self._more.clear()
            waiting, self._waiting, self._bytes = self._waiting, [], 0
            for start in range(0, len(waiting), AT_ONCE):
                if self._connection.client.is_connected:
                    await self._tell(waiting[start : start + AT_ONCE])
                await asyncio.sleep(0)

    async def _tell(self, appends: list[Append]) -> None:
        most = self._connection.client.max_payload
        try:
            await self._connection.send(self._frames(appends, most))
        except NoAnswer:
            return

    def _frames(self, appends: list[Append], most: int) -> bytes:
        """A message for each event that is not larger than messages may be."""
        parts: list[bytes | Raw] = []
        for append in appends:
            subject, head, end, around = _around(self._root, append.stream)
            stored = _stored(append.data)
            at = _at(stored.at)
            around += len(at)
            for version, event in enumerate(stored.events, append.expected.version + 1):
                size = around + len(event) + len(str(version))
                if size <= most:
                    parts += BEGINNING % (subject, size, head, version), at, event, end, END
        return b"".join(parts)


@lru_cache(maxsize=64)
def _at(moment_us: int) -> bytes:
    """What stands between the version and the event; all appends of a turn have the same."""
    return b',"at":%b,"event":' % _encode(moment(moment_us))


@lru_cache(maxsize=4096)
def _around(root: str, stream: str) -> tuple[bytes, bytes, bytes, int]:
    """The subject of a run's events; what a `RunEvent` of it has before the version and behind the event, and how much that is."""
    _, tenant, id = stream.split("/")
    run, who = unescape(id), unescape(tenant)
    empty = _encode(RunEvent(run, 0, moment(0), Raw(b"{}"), who))
    head, end = b'{"run":%b,"version":' % _encode(run), empty[empty.index(b',"event":{}') + len(b',"event":{}') :]
    return f"{root}{id}".encode(), head, end, len(head) + len(end)


def unheard(_: Sequence[Append]) -> None:
    """Nobody is to be told."""


@asynccontextmanager
async def broadcast(connection: Connection, appends: Appends, namespace: str) -> AsyncGenerator[None]:
    """Tell what is appended here, until the end of the block."""
    teller = Teller(connection, namespace)
    serving = asyncio.create_task(teller.serve())
    appends.told = teller.hear
    try:
        yield
    finally:
        appends.told = unheard
        serving.cancel()
        await asyncio.wait([serving])
