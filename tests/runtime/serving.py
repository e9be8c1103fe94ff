"""A runtime over memory on the machine's own clock, for tests that look at how runs behave from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.engine import Runtime
from perdure.runtime.run.events import CODEC
from perdure.runtime.settings.node import Settings

PATIENCE = timedelta(seconds=10)


@asynccontextmanager
async def serving(
    *workflows: Workflow[..., Any], log: MemoryLog | None = None, carrier: Carrier | None = None, settings: Settings | None = None
) -> AsyncGenerator[Runtime]:
    """A runtime that serves these workflows."""
    bounds = settings or Settings()
    carrier = carrier or (log or MemoryLog()).carrier()
    runtime = Runtime(
        carrier,
        workflows,
        clock=SystemClock(),
        ids=SystemIds(),
        threads=WorkerThreads(bounds.worker_concurrency),
        ownership=OwnsAll(f"node {carrier.epoch}", carrier.epoch),
        settings=bounds,
    )
    async with runtime.serving():
        yield runtime


def events(log: MemoryLog, run: str) -> list[str]:
    """The names of a run's events, in their order."""
    return [type(event).__name__ for record in log.streams[f"run/default/{run}"] for event in CODEC.decode(record.data).events]


async def until(holds: Callable[[], object]) -> None:
    """Let the others go on until a condition holds."""
    with anyio.fail_after(PATIENCE.total_seconds()):
        while not holds():
            await checkpoint()


async def results(runtime: Runtime, runs: Iterable[str]) -> list[Any]:
    return [await runtime.run(run).result(within=PATIENCE) for run in runs]
