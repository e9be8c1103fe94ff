"""Timers as JetStream schedules, bare: how late they fire, and what each costs the client and the server.

`python -m tests.bench.schedules 50000`: so many that are due in a day, and a thousand within five seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.adapters.nats.server import running
from tests.bench.measuring import memory_of

SOON, SPREAD, AHEAD = 1000, 5.0, 5.0
IN_FLIGHT = 500


class Schedules:
    """A JetStream stream that keeps timers and what they become."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.late: list[float] = []
        self.all_fired = asyncio.Event()
        self._room = asyncio.Semaphore(IN_FLIGHT)

    async def make(self) -> None:
        config = {"name": "TIMERS", "subjects": ["tm.>", "due.>"], "storage": "file", "allow_direct": True, "allow_msg_schedules": True}
        answer = await self.client.request("$JS.API.STREAM.CREATE.TIMERS", json.dumps(config).encode(), timeout=10)
        assert b'"error"' not in answer.data, answer.data

    async def set(self, name: str, due: datetime) -> None:
        """Keep a timer; returns when the server has stored it."""
        headers = {"Nats-Schedule": f"@at {due.isoformat().replace('+00:00', 'Z')}", "Nats-Schedule-Target": f"due.{name}"}
        async with self._room:
            answer = await self.client.request(f"tm.{name}", due.isoformat().encode(), timeout=30, headers=headers)
        assert b'"error"' not in answer.data, answer.data

    async def fired(self, message: Msg) -> None:
        self.late.append((datetime.now(UTC) - datetime.fromisoformat(message.data.decode())).total_seconds() * 1e3)
        if len(self.late) == SOON:
            self.all_fired.set()


async def schedules(far: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as room, running(Path(room)) as server:
        client: Any = Client()
        await client.connect(server.url, pending_size=64 * 1024 * 1024)
        timers = Schedules(client)
        await timers.make()
        before, _ = memory_of(server.pid)
        cpu, began, tomorrow = time.process_time(), time.monotonic(), datetime.now(UTC) + timedelta(days=1)
        await asyncio.gather(*(timers.set(f"far{number}", tomorrow + timedelta(seconds=number)) for number in range(far)))
        figures = {"schedules": far, "us_of_cpu_each": (time.process_time() - cpu) * 1e6 / far, "per_s": far / (time.monotonic() - began)}
        figures["server_bytes_each"] = (memory_of(server.pid)[0] - before) * 1e6 / far
        await client.jetstream().subscribe("due.>", cb=timers.fired, ordered_consumer=True)
        first = datetime.now(UTC) + timedelta(seconds=AHEAD)
        moments = [first + timedelta(seconds=SPREAD * number / SOON) for number in range(SOON)]
        await asyncio.gather(*(timers.set(f"soon{number}", moment) for number, moment in enumerate(moments)))
        async with asyncio.timeout(60):
            await timers.all_fired.wait()
        await client.close()
    cuts = quantiles(timers.late, n=100, method="inclusive")
    return {**figures, "late_p50_ms": cuts[49], "late_p99_ms": cuts[98]}


def main(arguments: Sequence[str]) -> None:
    found = asyncio.run(schedules(int(arguments[0]) if arguments else 50_000))
    print(json.dumps({name: round(figure, 3) for name, figure in found.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
