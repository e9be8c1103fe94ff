"""The desk of task queues: where their workers speak to the owners of runs, whichever worker of the namespace happens to hear them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from nats.aio.msg import Msg

from ....runtime.perform.passing import Passing
from ..wire.connection import Connection
from .door import QUEUE, declined, listening
from .hall import Answer, Bounds, Guest, hall

SUBJECT = "task-report"


def desk_subject(namespace: str) -> str:
    return f"perdure.{namespace}.{SUBJECT}"


@asynccontextmanager
async def desk(connection: Connection, passing: Passing, namespace: str) -> AsyncGenerator[None]:
    """Hear them until the end of the block."""
    async with hall(connection, Bounds()) as inside:

        async def hear(message: Msg) -> None:
            async def serve() -> Answer:
                return {}, await passing.relay(message.data)

            await inside.enter(Guest(message.subject, message.reply, len(message.data), waits=False, serve=serve, decline=declined))

        async with listening(connection, {desk_subject(namespace): hear}, queue=QUEUE):
            yield
