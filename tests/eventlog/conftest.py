"""The carriers that pass the conformance suite, each opened fresh for a test."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator
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
from tests.adapters.nats.cluster import nats_cluster
from tests.adapters.nats.server import nats_server

__all__ = ["nats_cluster", "nats_server"]


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


def nats(url: str, options: str) -> Opener:
    """A namespace for each opening."""

    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Carrier]:
        async with open_nats(f"{url}/{uuid4().hex}{options}") as carrier:
            yield carrier

    return opened


CARRIERS: dict[str, Opener] = {"memory": memory, "memory_with_faults": memory_with_faults, "sqlite": sqlite}
SERVED = {"nats": ("nats_server", ""), "nats_on_three": ("nats_cluster", "?replicas=3")}
"""Carriers on servers of ours, by the fixture that runs these, and options of the URL; they speak asyncio only."""


@pytest.fixture(params=[*CARRIERS, *SERVED])
def open_carrier(request: pytest.FixtureRequest) -> Opener:
    """What opens the carrier whose turn it is, as often as a test wants."""
    name: str = request.param
    if name in CARRIERS:
        return CARRIERS[name]
    servers, options = SERVED[name]
    return nats(request.getfixturevalue(servers).url, options)


@pytest.fixture
def open_log(open_carrier: Opener) -> LogOpener:
    """What opens the log of the carrier whose turn it is."""

    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Log]:
        async with open_carrier(room) as carrier:
            yield carrier.log

    return opened


EVERY = "PERDURE_EVERY_CARRIER"
"""Set, every test is tried on both loops and on three servers; else on one loop, and every fifth on three, because there each takes half a
second. `make proofs` sets it."""

NEVER_TRIED = re.compile(r"\[trio-(.*-)?nats(_on_three)?[\]-]")
NOT_TRIED = re.compile(r"\[(trio|uvloop)-(.*-)?nats(_on_three)?[\]-]")
ON_THREE = re.compile(r"[\[-]nats_on_three[\]-]")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The carriers on servers are not tried on trio, which their client does not speak."""
    left = NEVER_TRIED if EVERY in os.environ else NOT_TRIED
    tried = [item for item in items if not left.search(item.name)]
    on_three = [item for item in tried if ON_THREE.search(item.name)]
    left_out = set[pytest.Item]() if EVERY in os.environ else {item for place, item in enumerate(on_three) if place % 5}
    items[:] = [item for item in tried if item not in left_out]
