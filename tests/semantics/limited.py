"""What the tests of limits share: a node in virtual time, steps that take a slot, and the folds of a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio

from perdure import Limit, Settings, step, workflow
from perdure.actors.ports import OwnsAll
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.kinds.limit import Limits, State
from perdure.runtime.testing.clock import NodeClock
from perdure.runtime.testing.loop import run_seeded, stream_of_chance
from perdure.runtime.testing.node import InlineThreads, SeededIds
from tests.laws.node import Flow

TWO = Limit("two", concurrency=2)
SECOND = timedelta(seconds=1)
KIND = Limits(lambda stream, state: None, lambda stream, due: None)


class Floor:
    """What runs now, what ran, and when."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.begun: list[tuple[float, str]] = []

    async def work(self, what: str, who: str, seconds: float = 1.0) -> str:
        self.begun.append((anyio.current_time(), who))
        self.now[what] += 1
        self.most[what] = max(self.most[what], self.now[what])
        try:
            await anyio.sleep(seconds)
        finally:
            self.now[what] -= 1
        return who


floor: list[Floor] = []


@step(limit=TWO)
async def charge(who: str, seconds: float) -> str:
    return await floor[0].work("two", who, seconds)


@step(limit=TWO)
async def refund(who: str) -> str:
    return await floor[0].work("two", who)


@workflow
async def pays(who: str, seconds: float = 1.0) -> str:
    return await charge(who, seconds)


@workflow
async def pays_back(who: str) -> str:
    return await refund(who)


@asynccontextmanager
async def at_work(log: MemoryLog, *workflows: Flow, epoch: int = 1, killed: bool = False) -> AsyncGenerator[Runtime]:
    """A node in virtual time; `killed`, it is cut off from its log at the end, so that nothing it does on its way out lasts."""
    door = FaultyLog(log, Script())
    runtime = Runtime(
        door.carrier(epoch), workflows, clock=NodeClock(), ids=SeededIds(stream_of_chance(epoch, "ids")), threads=InlineThreads(),
        ownership=OwnsAll("node", epoch), settings=Settings(worker_concurrency=10, drain_seconds=0.0 if killed else 30.0),
    )  # fmt: skip
    async with runtime.serving():
        yield runtime
        if killed:
            door.cut()


def in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    run_seeded(1, main)


def folds(log: MemoryLog, name: str) -> list[State]:
    """The state of a limit after each event, each checked against its slots."""
    state, seen = KIND.initial(name), list[State]()
    for record in log.streams[stream_of("limit", "default", name)]:
        batch = KIND.codec.decode(record.data)
        for event in batch.events:
            state = KIND.evolve(state, event, batch.at)
            assert not state.bounds[0] or len(state.held) <= state.bounds[0]
            seen.append(KIND.thaw(name, KIND.freeze(state) or b""))
    return seen


def said(log: MemoryLog, name: str, kind: type) -> int:
    records = log.streams[stream_of("limit", "default", name)]
    return sum(isinstance(event, kind) for record in records for event in KIND.codec.decode(record.data).events)
