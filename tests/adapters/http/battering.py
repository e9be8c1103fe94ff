"""Malformed requests and slow clients put on a service, beside good traffic whose answers are timed."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress

import msgspec
from msgspec import Struct

from tests.adapters.http.malformed import KEY, head, posted
from tests.bench.service.load import Aim, Wire

Address = tuple[str, int]

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
AT_ONCE = 16
QUIET_SECONDS = 0.5
"""Behind so long a silence nothing more is waited for: the other end is left, as by a client that goes away."""

GOOD_PER_S, GOOD_WIRES = 50.0, 8


class Battered(Struct):
    """What came of it."""

    sent: int = 0
    statuses: Counter[int] = msgspec.field(default_factory=Counter[int])
    by_sort: dict[str, Counter[int]] = {}
    server_errors: list[str] = []
    smuggled: list[str] = []


async def batter(address: Address, requests: Iterable[tuple[str, bytes]]) -> Battered:
    """Send each over a connection of its own."""
    found, left = Battered(), iter(enumerate(requests))

    async def work() -> None:
        for number, (sort, request) in left:
            said = await told(address, request)
            statuses = [int(status) for status in STATUS.findall(said)]
            found.sent += 1
            found.statuses.update(statuses)
            found.by_sort.setdefault(sort, Counter()).update(statuses or [0])
            if any(status >= 500 for status in statuses):
                found.server_errors.append(f"{sort} {number}: {request[:80]!r}: {said[:200]!r}")
            if sort == "smuggled" and len(statuses) > 1:
                found.smuggled.append(f"{number}: {request!r}: {statuses}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return found


async def told(address: Address, request: bytes) -> bytes:
    """Everything that is answered, until the other end closes or is silent."""
    reader, writer = await asyncio.open_connection(*address)
    said = b""
    try:
        writer.write(request)
        while piece := await asyncio.wait_for(reader.read(65536), QUIET_SECONDS):
            said += piece
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return said


@asynccontextmanager
async def good_traffic(aim: Aim) -> AsyncGenerator[list[float]]:
    """Runs are started at a steady rate until the end of the block; the milliseconds that each took since it was due."""
    times: list[float] = []
    wires = [await Wire(aim).open() for _ in range(GOOD_WIRES)]
    free, under_way = asyncio.Queue[Wire](), set[asyncio.Task[None]]()
    for wire in wires:
        free.put_nowait(wire)

    async def one(number: int, due: float) -> None:
        wire = await free.get()
        assert await wire.start(number), "good traffic was not answered well"
        times.append((time.perf_counter() - due) * 1e3)
        free.put_nowait(wire)

    async def go_on() -> None:
        begun = time.perf_counter()
        for number in range(10**9):
            due = begun + number / GOOD_PER_S
            await asyncio.sleep(due - time.perf_counter())
            under_way.add(task := asyncio.create_task(one(number, due)))
            task.add_done_callback(under_way.discard)

    going = asyncio.create_task(go_on())
    try:
        yield times
    finally:
        going.cancel()
        await asyncio.gather(*under_way)
        for wire in wires:
            wire.close()


TRICKLE_SECONDS = 0.25


def ways() -> list[tuple[bytes, bytes]]:
    """What a slow client sends at once, and then byte by byte; the last one asks for much and reads nothing."""
    return [
        (b"", head(b"GET /healthz HTTP/1.1", b"x: " + b"y" * 2000)),
        (posted(b"content-length: 2000", body=b""), b"{" * 2000),
        (posted(b"transfer-encoding: chunked", body=b""), b"1\r\n{\r\n" * 200),
        (b"", b"\r\n" * 500),
        (head(b"GET /api/v1/openapi.json HTTP/1.1") * 60, b""),
    ]


async def slowly(address: Address, number: int, key: str, seconds: float) -> None:
    """One slow client, for so long; it never closes by itself."""
    at_once, trickle = ways()[number % 5]
    _, writer = await asyncio.open_connection(sock=small(address), limit=1024)
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            writer.write(at_once.replace(KEY, key.encode()))
            for place in range(len(trickle)):
                if not writer.transport.is_closing():
                    writer.write(trickle[place : place + 1])
                await asyncio.sleep(TRICKLE_SECONDS)
            await asyncio.sleep(seconds)
    writer.close()


def small(address: Address) -> socket.socket:
    """A connection that takes little before somebody reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(address)
    connection.settimeout(0)
    return connection


async def slow_clients(address: Address, count: int, key: str, seconds: float) -> None:
    """So many of them at once."""
    await asyncio.gather(*(slowly(address, number, key, seconds) for number in range(count)))
