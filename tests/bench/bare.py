"""The bare limit: durable steps with nothing around them. What a runtime may cost is measured as a share of this.

Coroutines driven by hand; a step's outcome is encoded and committed to SQLite (WAL, synchronous FULL, a unique key on
stream and version) by one writer thread, and only then does its coroutine go on. No mailbox, timer, retry, chain or recovery.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

PADDING = "." * 50
INSERT = "insert into record(stream, version, data) values (?, ?, ?)"
TABLE = "create table record(position integer primary key, stream text, version integer, data blob, unique(stream, version))"

Row = tuple[str, int, bytes]
encode = msgspec.json.Encoder().encode


class Done(msgspec.Struct, tag=True, frozen=True):
    step: str
    name: str
    value: dict[str, object]


class Effect:
    """What a bare coroutine awaits: the number of its run and of its step."""

    __slots__ = ("place", "run")

    def __init__(self, run: int, place: int) -> None:
        self.run = run
        self.place = place

    def __await__(self) -> Generator[Effect, dict[str, Any], dict[str, Any]]:
        return (yield self)


async def flow(run: int, steps: int) -> int:
    total = 0
    for place in range(steps):
        total += (await Effect(run, place))["value"]
    return total


class Writer(threading.Thread):
    """Commits whatever waits as one transaction, then says so."""

    def __init__(self, path: Path, done: Callable[[list[Any]], object]) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.done = done
        self.inbox: SimpleQueue[list[tuple[Row, Any]] | None] = SimpleQueue()
        self.commits = 0

    def run(self) -> None:
        db = sqlite3.connect(self.path, isolation_level=None)
        for line in ("pragma journal_mode = wal", "pragma synchronous = full", TABLE):
            db.execute(line)
        while (batch := self.inbox.get()) is not None:
            while not self.inbox.empty():
                batch = batch + (self.inbox.get() or [])
            db.execute("begin immediate")
            db.executemany(INSERT, [row for row, _ in batch])
            db.execute("commit")
            self.commits += 1
            self.done([note for _, note in batch])
        db.close()

    def stop(self) -> None:
        self.inbox.put(None)
        self.join()


async def throughput(path: Path, runs: int, steps: int) -> float:
    """Steps a second of `runs` coroutines of `steps` steps each, all at once."""
    loop, finished = asyncio.get_running_loop(), asyncio.Event()
    coroutines: list[Any] = [flow(run, steps) for run in range(runs)]
    versions = [0] * runs
    left, right, expected = runs, 0, sum(7 * place for place in range(steps))

    def turn(outcomes: list[tuple[int, Any]]) -> None:
        nonlocal left, right
        rows: list[tuple[Row, Any]] = []
        for run, outcome in outcomes:
            try:
                effect = coroutines[run].send(outcome)
            except StopIteration as end:
                right += end.value == expected
                left -= 1
                continue
            value: dict[str, object] = {"run": run, "step": effect.place, "value": 7 * effect.place, "padding": PADDING}
            versions[run] += 1
            rows.append(((f"run/default/{run}", versions[run], encode(Done(str(effect.place), "work", value))), (run, value)))
        if rows:
            writer.inbox.put(rows)
        if not left:
            finished.set()

    writer = Writer(path, lambda outcomes: loop.call_soon_threadsafe(turn, outcomes))
    writer.start()
    begun = time.perf_counter()
    turn([(run, None) for run in range(runs)])
    await finished.wait()
    seconds = time.perf_counter() - begun
    writer.stop()
    assert right == runs
    return runs * steps / seconds


class Committer:
    """One-row commits one after another, each a hop to the writer thread and back: the floor of latency."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._back: asyncio.Future[None] = self._loop.create_future()
        self._count = 0
        self._writer = Writer(path, lambda _: self._loop.call_soon_threadsafe(self._arrive))
        self._writer.start()

    def _arrive(self) -> None:
        self._back.set_result(None)

    async def commit(self) -> float:
        """Seconds that one commit took."""
        self._count += 1
        data = encode(Done(str(self._count), "work", {"value": self._count, "padding": PADDING}))
        self._back = self._loop.create_future()
        begun = time.perf_counter()
        self._writer.inbox.put([(("run/default/0", self._count, data), None)])
        await self._back
        return time.perf_counter() - begun

    def stop(self) -> None:
        self._writer.stop()
