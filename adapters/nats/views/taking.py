"""Taking a partition over: sit down in its views, so that a predecessor's writes are refused; then read what it left.

The views have all heads up to what the newest anchor says; behind that the log itself is read, of which only heads count. A view
whose seats are gone was emptied by somebody: then the whole log is read, and the view is filled again.
A crash, a hand-over and a first opening are this same path. Requests can be served from there on: wake-ups are read afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

import msgspec
from msgspec import Struct

from ....eventlog.errors import Corrupt
from ..owning.fences import Fence, Sitting, sitting
from ..records.headlines import hint, laid
from ..wire import api
from ..wire.batches import Post, replace_all
from ..wire.messages import SEAT, Message, Subjects, stream_of_subject
from ..wire.store import Store
from .anchors import PART as ANCHORS
from .anchors import TREE as ANCHOR
from .anchors import Anchor, anchor_in, tails_in
from .index import Part

logger = logging.getLogger("perdure.nats")

VIEWS = {"HEADS": "head", "WAKE": "wake", ANCHORS: ANCHOR}
"""What a seat guards: the parts, and their trees."""

READ_AT_ONCE = 16
TOGETHER_MAX = 10_000
"""So many records are looked through in one question for all partitions, rather than asking for each."""


encode = msgspec.json.Encoder().encode


class Seat(Struct, frozen=True):
    """Where we sit. Nobody sat there before: the view is new, or what it had was removed, and its anchors say nothing."""

    sequence: int
    is_first: bool


def seat_of(subjects: Subjects, part: Part, view: str) -> tuple[str, int]:
    """The seat of a part in a view, and the sequence at which we sit there."""
    return subjects.seat(VIEWS[view], part.fence.partition), part.seats[view]


async def take(store: Store, fences: Sequence[Fence]) -> list[Part]:
    """What anchors and the log say of the partitions that the fences give us; without those where a newer owner sits already.

    Of the wake-ups that the views have, nothing is known yet.
    """
    parts = {fence.partition: Part(fence) for fence in fences}
    views = asyncio.gather(*(sit(store, view, tree, fences) for view, tree in VIEWS.items()))
    anchors, found = await asyncio.gather(anchors_of(store, parts), views)  # an anchor that is a moment older says no more than is true
    for view, seats in zip(VIEWS, found, strict=True):
        for partition, seat in seats.items():
            if seat is None:
                parts.pop(partition, None)
                anchors.pop(partition, None)
            elif (part := parts.get(partition)) is not None:
                part.seats[view] = seat.sequence
                part.renewed |= seat.is_first
    last = await hold(store, [anchor for list_ in anchors.values() for anchor in list_])
    for partition, list_ in anchors.items():
        part = parts[partition]
        if not part.renewed:
            part.through = part.laid = list_[-1].through
        for anchor in list_:
            tails = tails_in([anchor])
            part.owed |= tails
            part.quiet.anchored(tails, {})
    for part in parts.values():
        part.renewed &= part.fence.partition in anchors
    await read_logs(store, list(parts.values()), last)
    return list(parts.values())


async def sit(store: Store, view: str, tree: str, fences: Sequence[Fence]) -> dict[int, Seat | None]:
    """Take the seats of a view; each as it is now, or None where one of a higher epoch sits there."""
    left, done = {fence.partition: fence for fence in fences}, dict[int, Seat | None]()
    while left:
        behind = dict.fromkeys(left, 0)
        for message in await store.everything(view, f"perdure.{store.subjects.namespace}.{tree}.seat.*"):
            partition = int(message.subject.rpartition(".")[2])
            if partition in left:
                behind[partition] = message.sequence
                if sitting(message.data).epoch > left[partition].epoch:
                    done[partition] = None
                    del left[partition]
        posts = [seat_post(store.subjects, tree, fence, behind[fence.partition]) for fence in left.values()]
        sequences = await replace_all(store, view, posts) if posts else []
        for post, sequence in zip(posts, sequences, strict=True):
            if sequence is not None:
                done[post.partition] = Seat(sequence, is_first=not behind[post.partition])
                del left[post.partition]
    return done


def seat_post(subjects: Subjects, tree: str, fence: Fence, behind: int) -> Post:
    subject = subjects.seat(tree, fence.partition)
    return Post(fence.partition, subject, encode(Sitting(fence.owner, fence.epoch)), (subject, behind))


async def anchors_of(store: Store, parts: Collection[int]) -> dict[int, list[Anchor]]:
    """The anchors of those partitions that have any, in their order."""
    found: dict[int, list[Anchor]] = {}
    for message in await store.everything(ANCHORS, f"perdure.{store.subjects.namespace}.{ANCHOR}.*"):
        partition = int(message.subject.rpartition(".")[2])
        if partition in parts:
            try:
                found.setdefault(partition, []).append(anchor_in(message))
            except Corrupt as damage:
                logger.warning("%s: the anchors before it count", damage)
    return {partition: anchors for partition, anchors in found.items() if anchors}


async def wakes(store: Store, parts: Mapping[int, Part]) -> AsyncIterator[list[tuple[Part, Message]]]:
    """What the view of wake-ups has of these partitions, a page at a time.

    The server looks through the whole view for each question, so where most partitions are taken there is one for all.
    """
    subjects = store.subjects
    whole = 2 * len(parts) >= subjects.partitions
    for subject in [subjects.tree("wake")] if whole else [subjects.branch("wake", partition) for partition in parts]:
        async for page in store.complete("WAKE", subject):
            places = [(message.subject.split(".", 4)[3], message) for message in page if message.data]
            yield [(parts[int(place)], message) for place, message in places if place != SEAT and int(place) in parts]


async def read_logs(store: Store, parts: Sequence[Part], last: int) -> None:
    """Know what the log, which ends at a sequence, has that the views do not: in one question where that is little to look through."""
    first = 1 + min((part.through for part in parts), default=last)
    if 2 * len(parts) >= store.subjects.partitions and last - first < TOGETHER_MAX:
        by_partition = {str(part.fence.partition): part for part in parts}
        await read_log(store, store.subjects.all, first, lambda message: by_partition.get(message.subject.split(".", 4)[3]))
        return
    turns = asyncio.Semaphore(READ_AT_ONCE)

    async def read(part: Part) -> None:
        async with turns:
            await read_log(store, store.subjects.branch("log", part.fence.partition), part.through + 1, lambda _: part)

    await asyncio.gather(*map(read, parts))


async def read_log(store: Store, subject: str, first: int, part_of: Callable[[Message], Part | None]) -> None:
    """Know what the log has below a subject from a sequence on that the views of its part do not."""
    async for page in store.complete("LOG", subject, first):
        for message in page:
            part = part_of(message)
            if part is not None and message.sequence > part.through:
                _lay(part, message)
        await asyncio.sleep(0)


def _lay(part: Part, message: Message) -> None:
    part.laid, stream = message.sequence, stream_of_subject(message.subject)
    try:
        part.tails[stream], summary = laid(message)
    except Corrupt as damage:
        logger.warning("%s: its run is woken all the same", damage)
        part.waking.setdefault(stream, hint(stream))
    else:
        if summary is not None:
            part.lay(summary)


async def hold(store: Store, anchors: list[Anchor]) -> int:
    """Hold the log against anchors: one that ends before what was anchored, or begins later, is Corrupt as a whole. Where it ends."""
    bucket, until = store.subjects.bucket, max((anchor.until for anchor in anchors), default=0)
    info = api.stream_info(await store.call(f"STREAM.INFO.{bucket}", {}))
    if info.error is not None:
        raise store.unavailable(str(info.error))
    if info.state.last_seq < until:
        raise Corrupt("the log ends before what was once anchored", who=bucket, where=f"sequence {info.state.last_seq}",
                      expected=f"at least {until} messages, as anchors in {store.subjects.bucket_of(ANCHORS)} say",
                      found=f"{info.state.last_seq}: it was cut, or replaced by an older copy",
                      instead="put the newest copy of the stream back; nothing may be written to this one")
    first = max(1, info.config.get("first_seq") or 1)
    begins = info.state.first_seq if info.state.messages else info.state.last_seq + 1
    if until >= first and begins > first:
        raise Corrupt("the log begins behind what was once anchored", who=bucket, where=f"sequence {first}",
                      expected=f"all messages from there to {until}, to which it came by anchors in {store.subjects.bucket_of(ANCHORS)}",
                      found=f"it begins at {begins}: it was purged, as a whole or from its beginning; perdure removes no record",
                      instead="put the newest copy of the stream back; where there is none, delete the stream of the anchors: "
                      "then it is opened, and the runs that lost records are told one by one")
    return info.state.last_seq
