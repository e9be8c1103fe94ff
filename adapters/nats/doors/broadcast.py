"""Broadcast: what happens to runs, told live on `perdure.<namespace>.events.<run>` to whoever listens.

At most once: each event carries its version, so who missed one sees the gap, and reads the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
from msgspec import Raw, Struct
from nats.errors import Error

from ....eventlog.codec import Stored
from ....eventlog.log import Cursor, Log
from ....eventlog.records import Record
from ....eventlog.streams import unescape
from ....runtime.authoring.words import moment
from ..wire.connection import Connection
from .inbox import ended, in_turn

logger = logging.getLogger("perdure.nats")

TURN = "door/default/events"
"""The stream whose owner broadcasts: nobody writes it."""


class RunEvent(Struct, frozen=True, omit_defaults=True):
    """One event of a run, as the log keeps it; `version` counts them without a gap."""

    run: str
    version: int
    at: datetime
    event: Raw
    tenant: str = "default"


_encode = msgspec.json.Encoder().encode
_stored = msgspec.json.Decoder(Stored).decode


@asynccontextmanager
async def broadcast(
    connection: Connection, log: Log, namespace: str, *, now: Callable[[], Awaitable[Cursor | None]],
    has_turn: Callable[[], bool] = lambda: True,
) -> AsyncGenerator[None]:  # fmt: skip
    """Tell what is appended while it is this worker's turn; `now` is the place in the log behind its last record."""

    async def tell() -> None:
        async for record in log.follow(after=await now()):
            if record.stream.startswith("run/"):
                await _tell(connection, f"perdure.{namespace}.events.{record.stream.rpartition('/')[2]}", record)

    task = asyncio.create_task(in_turn(has_turn, tell))
    try:
        yield
    finally:
        await ended(task)


async def _tell(connection: Connection, subject: str, record: Record) -> None:
    for body in _bodies(record):
        if len(body) > connection.client.max_payload or not connection.client.is_connected:
            continue  # a gap, which its version shows
        try:
            await connection.client.publish(subject, body)
        except Error as error:
            logger.debug("nats: an event is not told: %r", error)


def _bodies(record: Record) -> Iterator[bytes]:
    stored = _stored(record.data)
    _, tenant, id = record.stream.split("/")
    for place, event in enumerate(stored.events):
        yield _encode(RunEvent(unescape(id), record.first + place, moment(stored.at), event, unescape(tenant)))
