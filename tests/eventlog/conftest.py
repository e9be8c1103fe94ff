"""The carriers that pass the conformance suite, each opened fresh for a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.log import Carrier, Log
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.server import NatsServer, nats_server
from tests.eventlog.jetstream import LogOpener, jetstream

__all__ = ["nats_server"]


class Opener(Protocol):
    """Opens one kind of carrier; everything it needs lives in `room`."""

    def __call__(self, room: Path) -> AbstractAsyncContextManager[Carrier]: ...


@asynccontextmanager
async def memory(room: Path) -> AsyncGenerator[Carrier]:
    yield MemoryLog().carrier()


@asynccontextmanager
async def memory_with_faults(room: Path) -> AsyncGenerator[Carrier]:
    yield FaultyLog(MemoryLog(), Script()).carrier()


@asynccontextmanager
async def sqlite(room: Path) -> AsyncGenerator[Carrier]:
    async with open_sqlite(room / "log.db") as carrier:
        yield carrier


CARRIERS: dict[str, Opener] = {"memory": memory, "memory_with_faults": memory_with_faults, "sqlite": sqlite}
PLAIN_LOGS: dict[str, Callable[[NatsServer], LogOpener]] = {"jetstream": jetstream}
"""Logs without heads and snapshots, carried by a NATS server; they speak asyncio only."""


@pytest.fixture(params=CARRIERS)
def open_carrier(request: pytest.FixtureRequest) -> Opener:
    """What opens the carrier whose turn it is, as often as a test wants."""
    return CARRIERS[request.param]


@pytest.fixture(params=[*CARRIERS, *PLAIN_LOGS])
def open_log(request: pytest.FixtureRequest) -> LogOpener:
    """What opens the log whose turn it is: that of a carrier, or a plain one."""
    name: str = request.param
    if name in PLAIN_LOGS:
        return PLAIN_LOGS[name](request.getfixturevalue("nats_server"))
    return log_of(CARRIERS[name])


def log_of(open_carrier: Opener) -> LogOpener:
    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Log]:
        async with open_carrier(room) as carrier:
            yield carrier.log

    return opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A plain log is not tried on trio."""
    items[:] = [item for item in items if not (item.name.endswith("-jetstream]") and "[trio-" in item.name)]
