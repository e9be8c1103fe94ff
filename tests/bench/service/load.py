"""A load on a service, from a process of its own: requests of raw bytes over connections that are kept.

`python -m tests.bench.service.load HOST PORT PATH KEY WORKFLOW full|paced|count CONNECTIONS RATE SECONDS` prints figures in JSON.

full: each connection sends again as soon as it is answered. paced: RATE requests a second, whatever the answers take; how long one takes
counts from when it was due, not from when a connection was free for it. count: RATE requests, as fast as they are answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec
import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Aim(NamedTuple):
    """Where requests go, and what they ask for."""

    host: str
    port: int
    path: str
    key: str
    workflow: str

    @property
    def head(self) -> bytes:
        key = f"x-api-key: {self.key}\r\n" if self.key else ""
        return f"POST {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n{key}content-type: application/json\r\n".encode()


class Wire:
    """One connection."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._head = aim.head

    async def open(self) -> Wire:
        self._reader, self._writer = await asyncio.open_connection(self._aim.host, self._aim.port)
        return self

    async def start(self, number: int) -> bool:
        """Start one run; whether it was started."""
        body = b'{"workflow":"%b","arguments":["%d"]}' % (self._aim.workflow.encode(), number)
        self._writer.write(self._head + b"content-length: %d\r\n\r\n" % len(body) + body)
        head = (await self._reader.readuntil(HEAD_END)).lower()
        length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return head.startswith(b"http/1.1 201")

    def close(self) -> None:
        self._writer.close()


class Told(msgspec.Struct):
    """What came of a load: times in milliseconds, each of one answer."""

    seconds: float
    answered: int = 0
    wrong: int = 0
    times: list[float] = []

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.times)
        at = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 90, 99)} if ordered else {}
        return {"per_s": self.answered / self.seconds, "answered": self.answered, "wrong": self.wrong, "seconds": self.seconds, **at}


async def full(aim: Aim, connections: int, seconds: float, most: int = sys.maxsize) -> Told:
    """As fast as answers come, for so long, or so many."""
    numbers, told = count(), Told(seconds)
    wires = [await Wire(aim).open() for _ in range(connections)]
    begun = time.perf_counter()

    async def go_on(wire: Wire) -> None:
        while (sent := time.perf_counter()) - begun < seconds and (number := next(numbers)) < most:
            good = await wire.start(number)
            told.answered += 1
            told.wrong += not good
            told.times.append((time.perf_counter() - sent) * 1e3)

    await asyncio.gather(*map(go_on, wires))
    told.seconds = time.perf_counter() - begun
    for wire in wires:
        wire.close()
    return told


async def paced(aim: Aim, connections: int, rate: float, seconds: float) -> Told:
    """So many a second, each when it is due."""
    numbers, told = count(), Told(seconds)
    wires = [await Wire(aim).open() for _ in range(connections)]
    begun = time.perf_counter()

    async def go_on(wire: Wire) -> None:
        while (due := begun + (number := next(numbers)) / rate) < begun + seconds:
            await asyncio.sleep(due - time.perf_counter())
            good = await wire.start(number)
            told.answered += 1
            told.wrong += not good
            told.times.append((time.perf_counter() - due) * 1e3)

    await asyncio.gather(*map(go_on, wires))
    told.seconds = time.perf_counter() - begun
    for wire in wires:
        wire.close()
    return told


async def main(arguments: Sequence[str]) -> None:
    host, port, path, key, workflow, how, *numbers = arguments
    aim, (connections, rate, seconds) = Aim(host, int(port), path, key, workflow), map(float, numbers)
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "full": lambda: full(aim, int(connections), seconds),
        "paced": lambda: paced(aim, int(connections), rate, seconds),
        "count": lambda: full(aim, int(connections), seconds, int(rate)),
    }
    print(json.dumps((await ways[how]()).figures()))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
