"""The carriers that pass the conformance suite, each opened fresh for a test."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from perdure.adapters.nats.open import open_nats
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.log import Carrier, Log
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.server import NatsServer, nats_server

__all__ = ["nats_server"]


class Opener(Protocol):
    """Opens one kind of carrier; everything it needs lives in `room`."""

    def __call__(self, room: Path) -> AbstractAsyncContextManager[Carrier]: ...


class LogOpener(Protocol):
    """The same of a log alone."""

    def __call__(self, room: Path) -> AbstractAsyncContextManager[Log]: ...


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


def nats(server: NatsServer) -> Opener:
    """A namespace for each opening."""

    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Carrier]:
        async with open_nats(f"{server.url}/{uuid4().hex}") as carrier:
            yield carrier

    return opened


CARRIERS: dict[str, Opener] = {"memory": memory, "memory_with_faults": memory_with_faults, "sqlite": sqlite}
SERVED: dict[str, Callable[[NatsServer], Opener]] = {"nats": nats}
"""Carriers that a server of ours carries; they speak asyncio only."""


@pytest.fixture(params=[*CARRIERS, *SERVED])
def open_carrier(request: pytest.FixtureRequest) -> Opener:
    """What opens the carrier whose turn it is, as often as a test wants."""
    name: str = request.param
    return SERVED[name](request.getfixturevalue("nats_server")) if name in SERVED else CARRIERS[name]


@pytest.fixture
def open_log(open_carrier: Opener) -> LogOpener:
    """What opens the log of the carrier whose turn it is."""

    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Log]:
        async with open_carrier(room) as carrier:
            yield carrier.log

    return opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A carrier that speaks asyncio only is not tried on trio."""
    items[:] = [item for item in items if not (re.search(r"[\[-]nats[\]-]", item.name) and "[trio-" in item.name)]
