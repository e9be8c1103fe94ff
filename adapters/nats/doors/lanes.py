"""Lanes: what a durable consumer handed out, done until it is judged. What concerns one run is done in its order, the rest side by side.

An answer that nobody can know yet is asked for again; a refusal goes to the dead letters, with its reason and its origin. Only
then is the message acknowledged, so whatever ends in the middle, nothing is lost; and every request has a command id, so
nothing counts twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from msgspec import Struct

from ....eventlog.errors import Bug, PerdureError
from ....runtime.calling import Calling
from ....runtime.requests import AnyRequest, Declined
from ..wire.pulling import AGAIN, AT_WORK, DONE, SIGNS_EVERY, Delivery, say
from ..wire.store import Store
from .dead_letters import bury

logger = logging.getLogger("perdure.nats")

AT_ONCE = 1000
BYTES_AT_ONCE = 64 * 1024 * 1024
BATCH = 200
DRAIN_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


class Parcel(Struct, frozen=True, eq=False):
    """A message, what it asks for (or why that cannot be said), the lane it belongs in, and the subject of its dead letter."""

    delivery: Delivery
    asked: AnyRequest | PerdureError
    lane: str
    dead: str
    origin: str


class Lanes:
    """What is in hand."""

    def __init__(self, store: Store, caller: Calling, drain_seconds: float = DRAIN_SECONDS) -> None:
        self.store = store
        self._caller = caller
        self._drain_seconds = drain_seconds
        self._lanes: dict[str, deque[Parcel]] = {}
        self._hand: dict[str, Delivery] = {}
        """By origin: one that is handed out again is the same."""
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()

    async def room(self) -> int:
        """Wait until there is room; for how many."""
        while len(self._hand) >= AT_ONCE or self._bytes >= BYTES_AT_ONCE:
            self._left.clear()
            await self._left.wait()
        return min(BATCH, AT_ONCE - len(self._hand))

    def take(self, parcel: Parcel) -> None:
        """Do it after what is in its lane."""
        if parcel.origin in self._hand:
            self._hand[parcel.origin] = parcel.delivery
            return
        self._hand[parcel.origin] = parcel.delivery
        self._bytes += len(parcel.delivery.data)
        lane = self._lanes.get(parcel.lane)
        if lane is not None:
            lane.append(parcel)
            return
        self._lanes[parcel.lane] = lane = deque([parcel])
        task = asyncio.create_task(self._work(parcel.lane, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def give_signs(self) -> None:
        """Say that we are at work on what is in hand, until cancelled."""
        while True:
            await asyncio.sleep(SIGNS_EVERY)
            for delivery in tuple(self._hand.values()):
                await say(self.store.connection, delivery, AT_WORK)

    async def close(self) -> None:
        """Give what is under way a little time; the rest goes back at once."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._drain_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for delivery in self._hand.values():
            await say(self.store.connection, delivery, AGAIN)

    async def _work(self, name: str, lane: deque[Parcel]) -> None:
        try:
            while lane:
                await self._settle(lane[0])
                parcel = lane.popleft()
                self._bytes -= len(parcel.delivery.data)
                await say(self.store.connection, self._hand.pop(parcel.origin), DONE)
                self._left.set()
        finally:
            del self._lanes[name]

    async def _settle(self, parcel: Parcel) -> None:
        """Return once it is applied, or lies with the dead letters."""
        pause, tries = FIRST_PAUSE, 0
        while True:
            try:
                refused = await self._judged(parcel.asked)
                if refused is not None:
                    await bury(self.store, parcel.delivery, refused, parcel.dead, parcel.origin)
            except PerdureError as away:
                tries += 1
                logger.log(logging.WARNING if tries == 1 else logging.DEBUG, "%s waits: %s", parcel.delivery.subject, away.message)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                return

    async def _judged(self, asked: AnyRequest | PerdureError) -> Declined | None:
        """None once it is applied, or why it never will be; raises what may pass."""
        if isinstance(asked, PerdureError):
            return Declined.of(asked)
        try:
            reply = await self._caller.handle(asked)
        except Exception as error:
            logger.exception("a request broke: %r", asked)
            return Declined.of(Bug("a request broke", found=repr(error), instead="please report it"))
        if isinstance(reply, Declined) and reply.retryable:
            raise reply.error()
        return reply if isinstance(reply, Declined) else None
