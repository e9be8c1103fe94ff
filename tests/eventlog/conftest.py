"""The carriers that pass the conformance suite, each opened fresh for a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.server import nats_server

__all__ = ["nats_server"]


class Opener(Protocol):
    """Opens one kind of carrier; everything it needs lives in `room`."""

    def __call__(self, room: Path) -> AbstractAsyncContextManager[Carrier]: ...


@asynccontextmanager
async def memory(room: Path) -> AsyncGenerator[Carrier]:
    yield MemoryLog().carrier()


@asynccontextmanager
async def sqlite(room: Path) -> AsyncGenerator[Carrier]:
    async with open_sqlite(room / "log.db") as carrier:
        yield carrier


CARRIERS: dict[str, Opener] = {"memory": memory, "sqlite": sqlite}
ASYNCIO_ONLY = {"jetstream"}


@pytest.fixture(params=CARRIERS)
def open_carrier(request: pytest.FixtureRequest, anyio_backend: tuple[str, dict[str, Any]]) -> Opener:
    """What opens the carrier whose turn it is, as often as a test wants."""
    name: str = request.param
    if name in ASYNCIO_ONLY and anyio_backend[0] != "asyncio":
        pytest.skip(f"{name} speaks asyncio only")
    return CARRIERS[name]
