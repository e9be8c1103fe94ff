"""Orders in JetStream: a subject for each attempt, in a stream that keeps a message until a queue worker is done with it.

The subject names the attempt, and holds one message at most. So an owner that puts an order again, after a crash or to be sure,
finds it there; and to withdraw one, that message is deleted. A purge of its subject would do, too, but for nats-server (2.15): it
takes what was handed out before the purged message for acknowledged once the next one is, so that nobody gets it any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256

import msgspec
from msgspec import Struct
from nats.errors import Error

from ....eventlog.errors import PerdureError
from ....runtime.perform.elsewhere import Order
from ..wire import api
from ..wire.buckets import TASKS
from ..wire.connection import NoAnswer
from ..wire.consumers import ACK_WAIT_SECONDS, Consumer
from ..wire.messages import Subjects
from ..wire.store import Store

logger = logging.getLogger("perdure.nats")

AT_ONCE = 64
PAUSE = 0.5
MOST_IN_HAND = 10_000
"""Orders of one queue that all its workers together have in hand."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Order).decode


def name_of(order: Order) -> str:
    """The attempt as one part of a subject."""
    told = f"{len(order.stream)}:{order.stream}/{order.id}/{order.attempt}/{order.keys}"
    return sha256(told.encode()).hexdigest()[:32]


def subject_of(namespace: str, order: Order) -> str:
    return f"perdure.{namespace}.{TASKS.tree}.{order.queue}.{name_of(order)}"


def consumer_of(subjects: Subjects, queue: str, ack_seconds: float = ACK_WAIT_SECONDS) -> Consumer:
    """The consumer from which all workers of a queue pull."""
    subject = f"perdure.{subjects.namespace}.{TASKS.tree}.{queue}.*"
    return Consumer(subjects.bucket_of(TASKS.part), queue, subject, at_once=MOST_IN_HAND // 2, ack_seconds=ack_seconds, alone=False)


def stop_subject(namespace: str, queue: str) -> str:
    """Where the workers of a queue hear the names of attempts that are to end."""
    return f"perdure.{namespace}.task-stop.{queue}"


class Wish(Struct):
    """What is still to be done about one subject: first the end of what is there, then what is to be there."""

    order: Order
    stop: bool = False
    remove: bool = False
    put: bool = False


class Orders:
    """Puts and withdraws, each subject's wishes in their order, the newest instead of those before it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._namespace = store.subjects.namespace
        self._wishes: dict[str, Wish] = {}
        self._more = asyncio.Event()

    def put(self, order: Order) -> None:
        self._wish(order).put = True

    def withdraw(self, order: Order, *, stop: bool) -> None:
        wish = self._wish(order)
        wish.put, wish.remove, wish.stop = False, True, wish.stop or stop

    def _wish(self, order: Order) -> Wish:
        self._more.set()
        return self._wishes.setdefault(subject_of(self._namespace, order), Wish(order))

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Do what is wished, from now on until the end of the block."""
        task = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _serve(self) -> None:
        """What fails is tried again."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._wishes:
                some = {subject: self._wishes.pop(subject) for subject in list(self._wishes)[:AT_ONCE]}
                done = await asyncio.gather(*(self._fulfil(subject, wish) for subject, wish in some.items()))
                if not all(done):
                    await asyncio.sleep(PAUSE)

    async def _fulfil(self, subject: str, wish: Wish) -> bool:
        try:
            if wish.stop and self._store.connection.client.is_connected:
                await self._store.connection.tell(stop_subject(self._namespace, wish.order.queue), name_of(wish.order).encode())
            if wish.remove:
                await self._remove(subject)
            if wish.put:
                await self._store.replace(TASKS.part, subject, encode(wish.order), 0)
        except (PerdureError, NoAnswer, Error) as away:
            logger.warning("nats: an order of queue %r waits: %s", wish.order.queue, away)
            self._restore(subject, wish)
            return False
        return True

    def _restore(self, subject: str, wish: Wish) -> None:
        """Wish it again, before what has been wished since."""
        since = self._wishes.get(subject)
        if since is None:
            self._wishes[subject] = wish
        elif not since.remove:
            since.remove, since.stop = wish.remove, wish.stop

    async def _remove(self, subject: str) -> None:
        """Delete what is there; whoever is done with it meanwhile was faster."""
        store = self._store
        found = await store.last(TASKS.part, subject)
        if found is None:
            return
        question = {"seq": found.sequence, "no_erase": True}
        done = api.done(await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket_of(TASKS.part)}", question))
        if done.error is None:
            return
        still = await store.last(TASKS.part, subject)
        if still is not None and still.sequence == found.sequence:
            raise store.refused(TASKS.part, done.error)
