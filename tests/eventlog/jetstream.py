"""The plain JetStream log as the conformance suite opens it: a fresh namespace on a real server for each test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from perdure.adapters.nats.connection import connect
from perdure.adapters.nats.log import JetStreamLog
from perdure.eventlog.log import Log
from tests.adapters.nats.server import NatsServer


class LogOpener(Protocol):
    """Opens one kind of log; what it keeps in files lives in `room`."""

    def __call__(self, room: Path) -> AbstractAsyncContextManager[Log]: ...


def jetstream(server: NatsServer) -> LogOpener:
    @asynccontextmanager
    async def opened(room: Path) -> AsyncGenerator[Log]:
        async with connect(server.url) as connection, JetStreamLog.open(connection, uuid4().hex) as log:
            yield log

    return opened
