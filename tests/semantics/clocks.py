"""A wall clock that a test moves by hand, and a node that lives by it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemIds, WorkerThreads
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.settings.node import Settings
from tests.laws.node import PATIENCE, Flow


class HandClock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.time = 1_700_000_000_000_000
        self.steady_time = 0

    def now(self) -> int:
        return self.time

    def steady(self) -> int:
        return self.steady_time

    def pass_by(self, seconds: float) -> None:
        """Time passes, for every clock."""
        self.time += round(seconds * 1e6)
        self.steady_time += round(seconds * 1e6)

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.time += round(seconds * 1e6)


@asynccontextmanager
async def clocked(
    log: MemoryLog | Carrier, clock: HandClock, *workflows: Flow, settings: Settings | None = None
) -> AsyncGenerator[Runtime]:
    """A node with this clock."""
    carrier = log.carrier() if isinstance(log, MemoryLog) else log
    runtime = Runtime(carrier, workflows, clock=clock, ids=SystemIds(), threads=WorkerThreads(1),
                      ownership=OwnsAll("node", carrier.epoch), steady=clock.steady, settings=settings)
    with anyio.fail_after(PATIENCE.total_seconds()):
        async with runtime.serving():
            yield runtime
