"""Work from a JetStream stream: a durable consumer hands out messages until each is acknowledged, whoever pulls.

What is in hand is kept in hand by signs of life; what whoever had it lost is handed out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from ....eventlog.errors import PerdureError, Unavailable
from . import api
from .connection import Connection, Inbox, NoAnswer
from .store import Store

logger = logging.getLogger("perdure.nats")

BATCH_BYTES = 8 * 1024 * 1024
EXPIRES_MS, HEARTBEAT_MS = 5000, 500
HEARTBEATS_MISSED_MAX = 3
ACK_WAIT_SECONDS = 10
SIGNS_EVERY = ACK_WAIT_SECONDS / 3
PAUSE = 0.1
ANY = 0
"""Instead of the number of a delivery, where others pull too, or the server cannot take back what they have."""

DONE, AGAIN, AT_WORK = b"+ACK", b"-NAK", b"+WPI"


class Delivery(Struct, frozen=True, eq=False):
    """A message that was handed out, and where to say what became of it."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes
    address: str


class Consumer(Struct, frozen=True):
    """A durable consumer: of which JetStream stream, under which name, of which of its subjects (all, if none is given)."""

    bucket: str
    name: str
    filter: str = ""
    at_once: int = 1000
    ack_seconds: float = ACK_WAIT_SECONDS
    """So long after the last sign of life it is handed out again."""
    alone: bool = True
    """Whether one worker at a time pulls: it begins by taking back what another had."""

    def config(self) -> dict[str, Any]:
        second = 1000 * api.MILLISECOND
        given = {"filter_subject": self.filter} if self.filter else {}
        return {
            "durable_name": self.name, "name": self.name, "ack_policy": "explicit", "ack_wait": round(self.ack_seconds * second),
            "max_ack_pending": 2 * self.at_once, "max_deliver": -1, "deliver_policy": "all", "replay_policy": "instant", **given,
        }  # fmt: skip


async def deliveries(store: Store, consumer: Consumer, room: Callable[[], Awaitable[int]]) -> AsyncIterator[Delivery]:
    """What the consumer hands out, for ever; `room` waits until there is some, and says for how many.

    What nobody has acknowledged comes first, in its order: whoever pulls alone begins by taking back all that is in hand somewhere.
    """
    while True:
        await store.connection.ready()
        if (first := await begun(store, consumer)) is not None:
            async with store.connection.inbox() as inbox:
                async for delivery in pulled(store.connection, consumer, inbox, room, first):
                    yield delivery
        await asyncio.sleep(PAUSE)


async def begun(store: Store, consumer: Consumer) -> int | None:
    """Have the server begin where acknowledgements end: the number that its next delivery has, or ANY; None to try again later."""
    where = f"{consumer.bucket}.{consumer.name}"
    try:
        made = api.done(await store.call(f"CONSUMER.CREATE.{where}", {"stream_name": consumer.bucket, "config": consumer.config()}))
        if made.error is not None:
            logger.warning("nats: pulling from %s waits: %s", consumer.bucket, made.error)
            return None
        if not consumer.alone:
            return ANY
        taken_back = api.done(await store.call(f"CONSUMER.RESET.{where}", {}))
    except Unavailable as unavailable:
        logger.warning("nats: pulling from %s waits: %s", consumer.bucket, unavailable.found)
        return None
    if taken_back.error is not None:  # servers before 2.14 cannot: what others had in hand comes when its time is over
        logger.info("nats: what others took from %s comes %d s later: %s", consumer.bucket, ACK_WAIT_SECONDS, taken_back.error)
        return ANY
    return 1


async def pulled(
    connection: Connection, consumer: Consumer, inbox: Inbox, room: Callable[[], Awaitable[int]], number: int
) -> AsyncIterator[Delivery]:
    """What comes until the consumer has to be looked after. `number` is that of the first delivery, or ANY.

    A delivery of another number tells of one between that went elsewhere: to the one whose turn it was before, for as long as it
    has not learned that it is over. What comes behind that must not be done before it.
    """
    times = {"expires": EXPIRES_MS * api.MILLISECOND, "idle_heartbeat": HEARTBEAT_MS * api.MILLISECOND}
    bytes_max = max(BATCH_BYTES, 2 * connection.client.max_payload)
    try:
        while True:
            wanted = await room()
            pull = api.encode({"batch": wanted, "max_bytes": bytes_max, **times})
            address = inbox.address()
            await connection.tell(f"$JS.API.CONSUMER.MSG.NEXT.{consumer.bucket}.{consumer.name}", pull, address)
            while wanted:
                message = await inbox.take(HEARTBEATS_MISSED_MAX * HEARTBEAT_MS / 1000)
                headers = message.headers or {}
                match headers.get(api.STATUS):
                    case None:
                        wanted, place = wanted - 1, message.metadata.sequence
                        if number != ANY:
                            if place.consumer != number:
                                logger.info("nats: another worker takes from %s too: what it has is taken back", consumer.bucket)
                                return
                            number += 1
                        yield Delivery(message.subject, place.stream, headers, message.data, message.reply)
                    case api.HEARTBEAT:
                        pass
                    case _ if message.subject != address:
                        pass  # the end of an earlier pull
                    case api.PULL_EXPIRED:
                        break
                    case api.PULL_ENDED if headers.get("Description", "").endswith(api.ENDS_WELL):
                        break
                    case status:
                        logger.warning("nats: pulling from %s was ended: %s %s", consumer.bucket, status, headers.get("Description", ""))
                        return
    except NoAnswer:
        return


async def say(connection: Connection, delivery: Delivery, word: bytes) -> None:
    """What became of a delivery. If that is lost, it is handed out again."""
    if not connection.client.is_connected:
        return
    try:
        await connection.tell(delivery.address, word)
    except (NoAnswer, PerdureError) as lost:
        logger.debug("nats: what became of sequence %d is not told: %s", delivery.sequence, lost)
