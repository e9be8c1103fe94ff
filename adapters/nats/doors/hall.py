"""The hall: what doors have let in and not answered yet, bounded, and emptied on the way out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from msgspec import Struct
from nats.errors import Error

from ....eventlog.errors import Bug, PerdureError, Unavailable
from ..wire.connection import Connection

logger = logging.getLogger("perdure.nats")

Answer = tuple[dict[str, str], bytes]
"""Headers and body."""


class Bounds(Struct, frozen=True):
    """How much may be in the hall at once, and for how long when it closes."""

    commands: int = 1000
    waits: int = 10_000
    """Those who wait for something that lasts: a result, a handler's answer, the end of running steps."""
    bytes: int = 64 * 1024 * 1024
    drain_seconds: float = 5.0


class Guest(Struct, frozen=True, eq=False):
    """A message that wants an answer: how it gets one, and how it hears that it gets none."""

    subject: str
    reply: str
    size: int
    waits: bool
    serve: Callable[[], Awaitable[Answer]]
    decline: Callable[[PerdureError], Answer]


class Hall:
    """Serves guests side by side. Who finds it full hears so at once."""

    def __init__(self, connection: Connection, bounds: Bounds) -> None:
        self.connection = connection
        self.bounds = bounds
        self._guests: dict[Guest, anyio.CancelScope] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits = self._bytes = 0
        self._closing = False

    async def enter(self, guest: Guest) -> None:
        """Let a guest in, or tell them that they cannot come in now."""
        if self._closing:
            await self.answer(guest.subject, guest.reply, guest.decline(leaving()))
        elif self._is_full(guest):
            await self.answer(guest.subject, guest.reply, guest.decline(self._full(guest)))
        else:
            self._guests[guest] = anyio.CancelScope()
            self._waits += guest.waits
            self._bytes += guest.size
            task = asyncio.create_task(self._serve(guest))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def answer(self, subject: str, reply: str, answer: Answer) -> None:
        """Send an answer; who wanted none has it in the log if it is bad news."""
        headers, body = answer
        if not reply:
            if headers.get("Perdure-Status") in {"refused", "unavailable"}:
                logger.warning("nobody waits for the answer to %s: %s", subject, body.decode())
            return
        if not self.connection.client.is_connected:
            logger.warning("nats: the answer to %s is lost: the connection is", subject)
            return
        try:
            await self.connection.client.publish(reply, body, headers=headers)
        except Error as error:
            logger.warning("nats: the answer to %s is lost: %r", subject, error)

    async def close(self) -> None:
        """Let nobody in; those who wait for long are sent on, the others are answered."""
        self._closing = True
        for guest, scope in self._guests.items():
            if guest.waits:
                scope.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.bounds.drain_seconds)
        for scope in self._guests.values():
            scope.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, guest: Guest) -> None:
        answer = guest.decline(leaving())
        try:
            with self._guests[guest]:
                answer = await guest.serve()
        except PerdureError as error:
            answer = guest.decline(error)
        except Exception as error:
            logger.exception("a request at %s broke", guest.subject)
            answer = guest.decline(Bug("a request broke", who=guest.subject, found=repr(error), instead="please report it"))
        try:
            with anyio.CancelScope(shield=True):
                await self.answer(guest.subject, guest.reply, answer)
        finally:
            del self._guests[guest]
            self._waits -= guest.waits
            self._bytes -= guest.size

    def _is_full(self, guest: Guest) -> bool:
        many = self._waits >= self.bounds.waits if guest.waits else len(self._guests) - self._waits >= self.bounds.commands
        return many or (self._bytes > 0 and self._bytes + guest.size > self.bounds.bytes)

    def _full(self, guest: Guest) -> Unavailable:
        commands, waits = len(self._guests) - self._waits, self._waits
        return Unavailable(
            "this worker has as many requests as it takes at once",
            who=f"subject {guest.subject!r}",
            expected=f"at most {self.bounds.commands} commands and {self.bounds.waits} waits, of {self.bounds.bytes} bytes together",
            found=f"{commands} commands and {waits} waits, of {self._bytes} bytes",
            instead="nothing happened: send it again in a second, with the same command id, and less at once",
        )


@asynccontextmanager
async def hall(connection: Connection, bounds: Bounds) -> AsyncGenerator[Hall]:
    """A hall until the end of the block; then it is emptied."""
    opened = Hall(connection, bounds)
    try:
        yield opened
    finally:
        with anyio.CancelScope(shield=True):
            await opened.close()


def leaving() -> Unavailable:
    return Unavailable("this worker is leaving", who="the worker", expected="one that stays", found="it drains",
                       instead="ask again with the same command id: another worker answers")
