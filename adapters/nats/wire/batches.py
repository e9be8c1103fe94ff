"""Publishing to the views in atomic batches, each guarded by the seats of its partitions.

A seat is a message by which a view knows its writer: whoever takes a partition over writes the seat anew, and from then
on the server refuses what its predecessor still sends. One batch costs the server one sync, however many messages it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from uuid import uuid4

from msgspec import Struct

from . import api
from .connection import NoAnswer
from .frames import AROUND, END, unlined
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


class Parcel(Struct, frozen=True, gc=False):
    """A message to be stored: its headers as lines."""

    subject: str
    body: bytes
    lines: str


def framed_batch(name: str, parcels: Iterable[Parcel]) -> bytes:
    """The first messages of a batch, from number one on, in one go: of all that is sent, this is the most."""
    before, parts = f"{BATCH_ID}: {name}\r\n{BATCH_SEQUENCE}: ", list[bytes]()
    for number, parcel in enumerate(parcels, 1):
        headers, body = f"{parcel.lines}{before}{number}\r\n", parcel.body
        size = AROUND + len(headers)
        parts += f"HPUB {parcel.subject}  {size} {size + len(body)}\r\nNATS/1.0\r\n{headers}\r\n".encode("ascii"), body, END
    return b"".join(parts)


def end_of_batch(name: str, count: int, lines: str) -> dict[str, str]:
    """The headers of the last message of so many, by which all are stored."""
    return unlined(lines) | {BATCH_ID: name, BATCH_SEQUENCE: str(count), BATCH_COMMIT: "1"}


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
    name, (*others, last) = uuid4().hex, parcels_of(batch)
    if others:
        await connection.send(framed_batch(name, others))
    headers = end_of_batch(name, len(batch), last.lines) if others else unlined(last.lines)
    message = await connection.ask(last.subject, last.body, headers, within=store.answer_timeout)
    if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
        raise NoAnswer("nobody stores what is published there")
    ack = api.ack(message.data)
    if ack.error is not None and (ack.error.err_code in api.PASSING or ack.error.is_passing):
        raise NoAnswer(str(ack.error))
    return ack


def parcels_of(posts: Sequence[Post]) -> Iterator[Parcel]:
    """The messages; where a partition begins, with what must hold for it and the rest of its partition in the batch."""
    before = -1
    for post in posts:
        lines = f"{TTL}: {post.seconds}s\r\n" if post.seconds else ""
        if post.partition != before:
            before, (seat, sequence) = post.partition, post.seat
            lines += f"{FENCE}: {sequence}\r\n{FENCE_SUBJECT}: {seat}\r\n"
        yield Parcel(post.subject, post.data, lines)
