"""Work from a JetStream stream: a durable consumer hands out messages until each is acknowledged, whoever pulls.

What is in hand is kept in hand by signs of life; what whoever had it lost is handed out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from msgspec import Struct

from ....eventlog.errors import Invalid, PerdureError, Refused, Unavailable
from . import api
from .connection import Connection, Inbox, NoAnswer
from .consumers import ACK_WAIT_SECONDS, Consumer, had
from .store import Store

logger = logging.getLogger("perdure.nats")

BATCH_BYTES = 8 * 1024 * 1024
EXPIRES_MS, HEARTBEAT_MS = 5000, 500
HEARTBEATS_MISSED_MAX = 3
SIGNS_EVERY = ACK_WAIT_SECONDS / 3
PAUSE = 0.1
MENDED_PAUSE = 5.0
"""Seconds after which it is tried again what an operator has to mend."""
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
    try:
        if (error := await had(store, consumer)) is not None:
            logger.warning("nats: pulling from %s waits: %s", consumer.bucket, error)
            return None
        return await taken_back(store, consumer) if consumer.alone else ANY
    except Unavailable as unavailable:
        logger.warning("nats: pulling from %s waits: %s", consumer.bucket, unavailable.found)
    except (Invalid, Refused) as refused:
        logger.warning("nats: pulling from %s waits until that is mended: %s", consumer.bucket, refused)
        await asyncio.sleep(MENDED_PAUSE)
    return None


async def taken_back(store: Store, consumer: Consumer) -> int:
    """The number of the first delivery once what others had in hand was taken back; ANY where that cannot be."""
    try:
        error = api.done(await store.call(f"CONSUMER.RESET.{consumer.bucket}.{consumer.name}", {})).error
    except Refused as refused:
        found: object = refused.where
    else:
        found = error
        if error is None:
            return 1
    # servers before 2.14 cannot: what others had in hand comes when its time is over
    logger.info("nats: what others took from %s comes %d s later: %s", consumer.bucket, ACK_WAIT_SECONDS, found)
    return ANY


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
