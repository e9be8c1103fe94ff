"""Broadcast: what happens to runs, told live on `perdure.<namespace>.events.<run>` to whoever listens: a message a record.

Each worker tells what it has appended itself: to read the log for it cost as much as all else that a step does, though mostly
nobody listens. At most once: each message says which versions it has, so who missed one sees the gap, and reads the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from operator import attrgetter
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from ....eventlog.records import Append
from ....eventlog.streams import unescape
from ..wire.connection import Connection, NoAnswer

WAITING_BYTES_MAX = 16 * 1024 * 1024
"""What waits to be told beyond that is not told."""

AT_ONCE = 200
"""Records told between two looks at the loop."""


class RunEvents(Struct, frozen=True, omit_defaults=True):
    """What one record of a run holds, as the log keeps it: its events `first` to `last`, decided at `at` (microseconds since 1970).

    Versions count without a gap, so the next message of a run begins behind `last`.
    """

    run: str
    first: int
    last: int
    at: int
    epoch: int
    events: list[Raw]
    tenant: str = "default"


class Appends(Protocol):
    """Whoever appends: `told` hears of all appends that were stored."""

    told: Callable[[Sequence[Append]], object]


FRAME = b"PUB %b  %d\r\n%b\r\n"
BODY = b'%b"first":%d,"last":%d,%b'
"""What the run is called, its versions, and the record's own object behind its brace."""

DATA = attrgetter("data")
_encode = msgspec.json.Encoder().encode


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
        """A message for each record that is not larger than messages may be; no record is decoded for it."""
        parts: list[bytes] = []
        for append in appends:
            subject, named = _named(self._root, append.stream)
            body = BODY % (named, append.expected.version + 1, append.tail.version, append.data[1:])
            if len(body) <= most:
                parts.append(FRAME % (subject, len(body), body))
        return b"".join(parts)


@lru_cache(maxsize=4096)
def _named(root: str, stream: str) -> tuple[bytes, bytes]:
    """The subject of a run's events, and how a message names the run."""
    _, tenant, id = stream.split("/")
    run, who = _encode(unescape(id)), unescape(tenant)
    named = b'{"run":%b,' % run if who == "default" else b'{"run":%b,"tenant":%b,' % (run, _encode(who))
    return f"{root}{id}".encode(), named


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
