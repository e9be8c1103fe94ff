"""A node for the tests of the laws: a real runtime on a log that outlives it, and the small steps and waits they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio

import perdure
from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.codec import Event
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.engine import Runtime
from perdure.runtime.run.events import CODEC
from perdure.runtime.settings.node import Settings

PATIENCE = timedelta(seconds=10)
AT_ONCE = Settings(drain_seconds=0.0)
"""A node with these leaves without waiting for its steps, as a killed one does."""

Flow = Workflow[..., Any]


@asynccontextmanager
async def node(
    carrier: Carrier, *workflows: Flow, settings: Settings | None = None, owner: str = "node"
) -> AsyncGenerator[Runtime]:
    """A runtime that serves the carrier's runs under the carrier's epoch."""
    settings = settings or Settings()
    threads = WorkerThreads(settings.worker_concurrency)
    ownership = OwnsAll(owner, carrier.epoch)
    runtime = Runtime(carrier, workflows, clock=SystemClock(), ids=SystemIds(), threads=threads, ownership=ownership, settings=settings)
    with anyio.fail_after(PATIENCE.total_seconds()):
        async with runtime.serving():
            yield runtime


@asynccontextmanager
async def killed_node(log: MemoryLog, *workflows: Flow, epoch: int = 1) -> AsyncGenerator[Runtime]:
    """A node that is cut off from its log at the end of the block, so that nothing it does on its way out lasts."""
    door = FaultyLog(log, Script())
    async with node(door.carrier(epoch), *workflows, settings=AT_ONCE) as runtime:
        yield runtime
        door.cut()


def stream(run: str) -> str:
    return stream_of("run", "default", run)


def events_of(log: MemoryLog, run: str) -> list[Event]:
    """Everything the log holds of a run."""
    return [event for record in log.streams[stream(run)] for event in CODEC.decode(record.data).events]


def named(log: MemoryLog, run: str) -> list[str]:
    """The names of its events."""
    return [type(event).__name__ for event in events_of(log, run)]


class Bench:
    """Where steps are done: what was attempted, by idempotency key, and steps that wait until they are let go."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.go = anyio.Event()
        self.begun: set[str] = set()

    def attempt(self, what: str) -> None:
        self.attempts[perdure.current().idempotency_key] += 1
        self.begun.add(what)

    async def held(self, what: str) -> str:
        """An attempt that lasts until `go` is set."""
        self.attempt(what)
        try:
            await self.go.wait()
        except BaseException:
            self.cancelled.append(what)
            raise
        return what

    def count(self) -> list[int]:
        """How often each step was attempted."""
        return sorted(self.attempts.values())


async def until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds, leaving the processor to whoever makes it so."""
    with anyio.fail_after(PATIENCE.total_seconds()):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await anyio.sleep(0.001)


async def rest() -> None:
    """Let everybody go on until all of them wait."""
    await anyio.wait_all_tasks_blocked()
