"""Taking a partition over: sit down in its views, so that a predecessor's writes are refused; then read what it left.

The views have all heads up to what the newest anchor says; behind that the log itself is read, of which only heads count. A view
whose seats are gone was emptied by somebody: then the whole log is read, and the view is filled again.
A crash, a hand-over and a first opening are this same path.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec import Struct

from ....eventlog.errors import Corrupt
from ..owning.fences import Fence, Sitting, sitting
from ..records.headlines import hint, laid, summary_in
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


encode = msgspec.json.Encoder().encode


class Seat(Struct, frozen=True):
    """Where we sit. Nobody sat there before: the view is new, or what it had was removed, and its anchors say nothing."""

    sequence: int
    is_first: bool


def seat_of(subjects: Subjects, part: Part, view: str) -> tuple[str, int]:
    """The seat of a part in a view, and the sequence at which we sit there."""
    return subjects.seat(VIEWS[view], part.fence.partition), part.seats[view]


async def take(store: Store, fences: Sequence[Fence]) -> list[Part]:
    """What is known of the partitions that the fences give us; without those where a newer owner sits already."""
    parts = {fence.partition: Part(fence) for fence in fences}
    unseated: set[int] = set()
    for view, tree in VIEWS.items():
        for partition, seat in (await sit(store, view, tree, [part.fence for part in parts.values()])).items():
            if seat is None:
                del parts[partition]
                continue
            parts[partition].seats[view] = seat.sequence
            unseated |= {partition} if seat.is_first else set()
    anchors = await anchors_of(store, parts)
    await hold(store, [anchor for found in anchors.values() for anchor in found])
    for partition, found in anchors.items():
        parts[partition].renewed = partition in unseated
        if partition not in unseated:
            parts[partition].through = parts[partition].laid = found[-1].through
        for anchor in found:
            tails = tails_in([anchor])
            parts[partition].owed |= tails
            parts[partition].quiet.anchored(tails, {})
    await read_wakes(store, parts)
    turns = asyncio.Semaphore(READ_AT_ONCE)

    async def read(part: Part) -> None:
        async with turns:
            await read_log(store, part)

    await asyncio.gather(*map(read, parts.values()))
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


async def read_wakes(store: Store, parts: Mapping[int, Part]) -> None:
    """Know who is to be woken, as the view says; where it cannot be read, the whole log of that partition is.

    The server looks through the whole view for each question, so where most partitions are taken there is one for all.
    """
    subjects = store.subjects
    whole = 2 * len(parts) >= subjects.partitions
    for subject in [subjects.tree("wake")] if whole else [subjects.branch("wake", partition) for partition in parts]:
        async for page in store.complete("WAKE", subject):
            for message in page:
                partition = message.subject.split(".", 4)[3]
                part = None if partition == SEAT else parts.get(int(partition))
                if part is not None and message.data:
                    _list(part, message)
            await asyncio.sleep(0)


def _list(part: Part, message: Message) -> None:
    try:
        summary = summary_in(message)
    except Corrupt as damage:
        logger.warning("%s: it is made anew from the log", damage)
        part.through = part.laid = 0
        part.listed.add(stream_of_subject(message.subject))
        return
    part.listed.add(summary.stream)
    if not part.renewed:
        part.waking[summary.stream] = summary


async def read_log(store: Store, part: Part) -> None:
    """Know what the log has that the views do not."""
    async for page in store.complete("LOG", store.subjects.branch("log", part.fence.partition), part.through + 1):
        for message in page:
            part.laid = message.sequence
            try:
                part.tails[stream_of_subject(message.subject)], summary = laid(message)
            except Corrupt as damage:
                logger.warning("%s: its run is woken all the same", damage)
                summary = hint(stream_of_subject(message.subject))
                part.waking.setdefault(summary.stream, summary)
            else:
                if summary is not None:
                    part.lay(summary)
        await asyncio.sleep(0)


async def hold(store: Store, anchors: list[Anchor]) -> None:
    """Hold the log against anchors: one that ends before what was anchored is Corrupt as a whole."""
    bucket, until = store.subjects.bucket, max((anchor.through for anchor in anchors), default=0)
    info = api.stream_info(await store.call(f"STREAM.INFO.{bucket}", {}))
    if info.error is not None:
        raise store.unavailable(str(info.error))
    if info.state.last_seq < until:
        raise Corrupt("the log ends before what was once anchored", who=bucket, where=f"sequence {info.state.last_seq}",
                      expected=f"at least {until} messages, as anchors in {store.subjects.bucket_of(ANCHORS)} say",
                      found=f"{info.state.last_seq}: it was cut, or replaced by an older copy",
                      instead="put the newest copy of the stream back; nothing may be written to this one")
