"""Following a bucket as it grows, through a consumer that is made anew wherever it misses something."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from uuid import uuid4

from ....eventlog.errors import Unavailable
from . import api
from .connection import Inbox, NoAnswer
from .messages import Message
from .store import Store

logger = logging.getLogger("perdure.nats")

PULL_RECORDS = 500
PULL_BYTES = 8 * 1024 * 1024
PULL_EXPIRES_MS = 5000
HEARTBEAT_MS = 500
HEARTBEATS_MISSED_MAX = 3
FORGOTTEN_AFTER_MS = 15_000
PAUSE = 0.1


async def follow(store: Store, part: str, start: int) -> AsyncIterator[Message]:
    """All messages from a sequence on, in order, for ever: an outage is a pause, and after a gap it reads again."""
    while True:
        await store.connection.ready()
        async with store.connection.inbox() as inbox:
            async for message in consume(store, part, inbox, start):
                yield message
                start = message.sequence + 1
        await asyncio.sleep(PAUSE)


async def consume(store: Store, part: str, inbox: Inbox, start: int) -> AsyncIterator[Message]:
    """The messages that one consumer delivers without a gap; it ends where another consumer is needed."""
    bucket, name = store.subjects.bucket_of(part), uuid4().hex
    if not await made(store, bucket, name, start):
        return
    bytes_max = max(PULL_BYTES, 2 * store.connection.client.max_payload)
    expires, heartbeat = PULL_EXPIRES_MS * api.MILLISECOND, HEARTBEAT_MS * api.MILLISECOND
    pull = api.encode({"batch": PULL_RECORDS, "max_bytes": bytes_max, "expires": expires, "idle_heartbeat": heartbeat})
    delivered = 0
    try:
        while True:
            room = PULL_RECORDS
            address = inbox.address()
            await store.connection.tell(f"$JS.API.CONSUMER.MSG.NEXT.{bucket}.{name}", pull, address)
            while room:
                message = await inbox.take(HEARTBEATS_MISSED_MAX * HEARTBEAT_MS / 1000)
                headers = message.headers or {}
                match headers.get(api.STATUS):
                    case None:
                        place = message.metadata.sequence
                        if place.consumer != delivered + 1:
                            return
                        delivered, room = delivered + 1, room - 1
                        yield Message(message.subject, place.stream, headers, message.data)
                    case api.HEARTBEAT:
                        if int(headers.get("Nats-Last-Consumer", delivered)) != delivered:
                            return
                    case _ if message.subject != address:
                        pass  # the end of an earlier pull
                    case api.PULL_EXPIRED:
                        break
                    case api.PULL_ENDED if headers.get("Description", "").endswith(api.ENDS_WELL):
                        break
                    case _:
                        return
    except NoAnswer:
        return


async def made(store: Store, bucket: str, name: str, start: int) -> bool:
    """Whether the server made the consumer; if not, the follower tries again later."""
    body = api.ordered_consumer(bucket, name, start, FORGOTTEN_AFTER_MS)
    try:
        error = api.done(await store.call(f"CONSUMER.CREATE.{bucket}.{name}", body)).error
    except Unavailable as unavailable:
        logger.warning("nats: following waits: %s", unavailable.found)
        return False
    if error is not None:
        logger.warning("nats: following waits: %s", error)
    return error is None
