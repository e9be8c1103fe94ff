"""Publishing to the views in atomic batches, each guarded by the seats of its partitions.

A seat is a message by which a view knows its writer: whoever takes a partition over writes the seat anew, and from then
on the server refuses what its predecessor still sends. One batch costs the server one sync, however many messages it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from uuid import uuid4

from msgspec import Struct

from . import api
from .connection import NoAnswer
from .frames import framed, lines
from .messages import FENCE
from .store import Store

MESSAGES_MAX = 500
REPLACED_AT_ONCE = 16
BYTES_MAX = 4 * 1024 * 1024
FENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
BATCH_ID, BATCH_SEQUENCE, BATCH_COMMIT = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"
TTL = "Nats-TTL"


class Post(Struct, frozen=True):
    """A message for a view: legal while `seat`, a subject, ends at the sequence given with it. It is gone after `seconds`, unless 0.

    A message that is itself what its subject has to end at (a claim, a seat) has no other seat: `seat` names its own subject.
    """

    partition: int
    subject: str
    data: bytes
    seat: tuple[str, int]
    seconds: int = 0

    def headers(self) -> dict[str, str]:
        return {TTL: f"{self.seconds}s"} if self.seconds else {}

    def guarded(self) -> dict[str, str]:
        """The headers with what must hold for the message and the rest of its partition in a batch."""
        subject, sequence = self.seat
        return self.headers() | {FENCE: str(sequence), FENCE_SUBJECT: subject}


async def write(store: Store, part: str, posts: Sequence[Post]) -> set[int]:
    """Publish all of it; the partitions whose seat another has, of which nothing more was written.

    Each batch is written as a whole or not at all, and again where the answer was lost: a view keeps the newest of each subject.
    """
    lost: set[int] = set()
    for batch in batches(sorted(posts, key=attrgetter("partition"))):
        left = [post for post in batch if post.partition not in lost]
        if left and not await written(store, part, left):
            for partition, group in groupby(left, attrgetter("partition")):
                if not await written(store, part, list(group)):
                    lost.add(partition)
    return lost


async def replace_all(store: Store, part: str, posts: Sequence[Post]) -> list[int | None]:
    """Publish messages each of which is its own seat, in one go if all are legal; the sequence of each, or None where another was faster.

    As with `Store.replace`, the data of each must be like no other's.
    """
    if len(posts) > 1 and len(posts) <= MESSAGES_MAX:
        ack = await store.insist(lambda: attempt(store, posts))
        if ack.error is None:
            return list(range(ack.seq - len(posts) + 1, ack.seq + 1))
    turns = asyncio.Semaphore(REPLACED_AT_ONCE)

    async def replace(post: Post) -> int | None:
        async with turns:
            return await store.replace(part, post.subject, post.data, post.seat[1])

    return list(await asyncio.gather(*map(replace, posts)))


def batches(posts: Sequence[Post]) -> Iterator[list[Post]]:
    """The posts in their order, so many together as fit a batch."""
    batch: list[Post] = []
    size = 0
    for post in posts:
        if batch and (len(batch) == MESSAGES_MAX or size + len(post.data) > BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(post)
        size += len(post.data)
    if batch:
        yield batch


async def written(store: Store, part: str, batch: Sequence[Post]) -> bool:
    """Whether the batch was written; if not, one of its seats is another's."""
    ack = await store.insist(lambda: attempt(store, batch))
    if ack.error is None:
        return True
    if ack.error.err_code == api.WRONG_LAST_SEQUENCE:
        return False
    raise store.refused(part, ack.error)


async def attempt(store: Store, batch: Sequence[Post]) -> api.Ack:
    """Publish a batch once. What may pass, another batch under way or a message lost on the way, is NoAnswer."""
    connection = store.connection
    await connection.ready_within(store.answer_timeout)
    *others, last = zip(batch, headers_of_batch(batch), strict=True)
    if others:
        await connection.send(b"".join([framed(post.subject, post.data, lines(headers)) for post, headers in others]))
    message = await connection.ask(last[0].subject, last[0].data, last[1], within=store.answer_timeout)
    if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
        raise NoAnswer("nobody stores what is published there")
    ack = api.ack(message.data)
    if ack.error is not None and (ack.error.err_code in api.PASSING or ack.error.is_passing):
        raise NoAnswer(str(ack.error))
    return ack


def headers_of_batch(batch: Sequence[Post]) -> Iterator[dict[str, str]]:
    """The headers of each message: the seats where a partition begins, and what makes them one batch, if they are several."""
    name, before = uuid4().hex, -1
    for number, post in enumerate(batch, 1):
        headers = post.headers() if post.partition == before else post.guarded()
        before = post.partition
        if len(batch) > 1:
            headers |= {BATCH_ID: name, BATCH_SEQUENCE: str(number)}
            headers |= {BATCH_COMMIT: "1"} if number == len(batch) else {}
        yield headers
