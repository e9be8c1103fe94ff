"""Followers of events at once: each reads server-sent events of a run until its end.

`python -m tests.bench.service.followers URL KEY FOLLOWERS RUNS` prints figures in JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack

import httpx
import uvloop

RUNS = "/api/v1/workflows/runs"
PATIENCE = 120.0
EVENT = b"event: run"
END = b"event: end"


class Follower:
    """One connection that is told what happens to a run."""

    def __init__(self, address: tuple[str, int], key: str, run: str) -> None:
        self.address = address
        self.asked = f"GET {RUNS}/{run}/events HTTP/1.1\r\nhost: {address[0]}\r\nx-api-key: {key}\r\naccept: text/event-stream\r\n\r\n"
        self.told = 0.0
        """When it was told the end."""
        self.events = 0

    async def begin(self) -> None:
        """Come in, and hear of the start."""
        self._reader, self._writer = await asyncio.open_connection(*self.address)
        self._writer.write(self.asked.encode())
        await self._until(EVENT)

    async def end(self) -> None:
        await self._until(END)
        self.told = time.perf_counter()
        self._writer.close()

    async def _until(self, wanted: bytes) -> None:
        while line := await self._reader.readline():
            self.events += line.startswith(EVENT)
            if line.startswith(wanted):
                return
        raise AssertionError(f"the stream ended before {wanted.decode()!r}")


async def main(url: str, key: str, followers: int, runs: int) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(PATIENCE))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, timeout=PATIENCE))
        names = [(await client.post(RUNS, json={"workflow": "wait"})).json()["run"] for _ in range(runs)]
        host, _, port = url.removeprefix("http://").rpartition(":")
        crowd = [Follower((host, int(port)), key, names[number % runs]) for number in range(followers)]
        begun = time.perf_counter()
        await asyncio.gather(*(one.begin() for one in crowd))
        there = time.perf_counter()
        reading = asyncio.gather(*(one.end() for one in crowd))
        for name in names:
            told = await client.post(f"{RUNS}/{name}/signal/word", json="go")
            assert told.status_code == 200, told.text
        signalled = time.perf_counter()
        await reading
    print(json.dumps({
        "followers": followers,
        "followers_told_the_end": sum(bool(one.told) for one in crowd),
        "followers_there_seconds": there - begun,
        "told_after_the_last_signal_seconds": max(one.told for one in crowd) - signalled,
        "events_told": sum(one.events for one in crowd),
    }))  # fmt: skip


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
