"""The road between workers: each listens to a subject of its own for what the others pass on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from nats.errors import MaxPayloadError

from ....eventlog.errors import PerdureError, TooLarge, Unavailable
from ....eventlog.streams import escape
from ....runtime.engine import Runtime
from ....runtime.perform.passing import Passing, lasts, opened
from ..wire import api
from ..wire.connection import Connection, NoAnswer
from ..wire.messages import checked_namespace
from .answers import too_large
from .door import declined, listening, room
from .hall import Answer, Bounds, Guest, Hall, hall


class Road:
    """Neighbours over NATS. `owner_of` says which worker owns a stream, this one among them, or None."""

    def __init__(self, connection: Connection, namespace: str, here: str, owner_of: Callable[[str], str | None]) -> None:
        self.here = here
        self._owner_of = owner_of
        self._connection = connection
        self._root = f"perdure.{checked_namespace(namespace)}.worker."

    def subject(self, worker: str) -> str:
        return self._root + escape(worker)

    def owner_of(self, stream: str) -> str | None:
        return self._owner_of(stream)

    async def ask(self, node: str, letter: bytes, within: float) -> bytes:
        try:
            message = await self._connection.ask(self.subject(node), letter, within=within)
        except NoAnswer as error:
            raise away(node, str(error)) from error
        except MaxPayloadError as error:
            limit = self._connection.client.max_payload
            raise TooLarge("what is passed on to another worker is larger than this NATS server carries", who=f"worker {node!r}",
                           expected=f"at most {limit} bytes", found=f"{len(letter)} bytes",
                           instead="raise max_payload of nats-server, or pass the address of what is large") from error
        if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
            raise away(node, "nobody listens there")
        return message.data


@asynccontextmanager
async def road(
    connection: Connection, runtime: Runtime, namespace: str, owner_of: Callable[[str], str | None], *, bounds: Bounds | None = None
) -> AsyncGenerator[Road]:
    """Join a runtime to the other workers of a namespace, until the end of the block."""
    known = Road(connection, namespace, runtime.dispatcher.ownership.owner, owner_of)
    passing = runtime.join(known)
    async with (
        hall(connection, bounds or Bounds()) as inside,
        listening(connection, {known.subject(known.here): Ear(inside, passing).hear}),
    ):
        yield known


class Ear:
    """Hears what neighbours pass on."""

    def __init__(self, hall: Hall, passing: Passing) -> None:
        self._hall = hall
        self._passing = passing

    async def hear(self, message: Msg) -> None:
        try:
            asked = opened(message.data)
        except PerdureError as error:
            await self._hall.answer(message.subject, message.reply, declined(error))
            return

        async def serve() -> Answer:
            body, limit = await self._passing.answer(asked), room(self._hall.connection)
            return ({}, body) if len(body) <= limit else declined(too_large(len(body), limit))

        await self._hall.enter(Guest(message.subject, message.reply, len(message.data), lasts(asked), serve, declined))


def away(worker: str, found: str) -> Unavailable:
    return Unavailable("the worker that owns the run does not answer", who=f"worker {worker!r}", expected="an answer in time", found=found,
                       instead="ask again with the same command id: if the worker is gone, another takes its runs over")
