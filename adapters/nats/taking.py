"""Taking a partition over: sit down in its views, so that a predecessor's writes are refused; then read what it left.

The views have all heads up to what the newest anchor says; behind that the log itself is read, of which only heads count.
A crash, a hand-over and a first opening are this same path.
"""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from ...eventlog.errors import Corrupt
from . import api
from .anchors import PART as ANCHORS
from .anchors import TREE as ANCHOR
from .anchors import Anchor, anchor_in, tails_in
from .fences import Fence
from .headlines import laid, summary_in, tail_in
from .index import Part
from .messages import Subjects, stream_of_subject
from .store import Store

VIEWS = {"HEADS": "head", "WAKE": "wake", ANCHORS: ANCHOR}
"""What a seat guards: the parts, and their trees."""


class Sitting(Struct, frozen=True):
    """The message of a seat."""

    owner: str
    epoch: int


encode = msgspec.json.Encoder().encode
sitting = msgspec.json.Decoder(Sitting).decode


def seat_of(subjects: Subjects, part: Part, view: str) -> tuple[str, int]:
    """The seat of a part in a view, and the sequence at which we sit there."""
    return subjects.seat(VIEWS[view], part.fence.partition), part.seats[view]


async def take(store: Store, fence: Fence) -> Part | None:
    """What is known of the partition that the fence gives us; None where a newer owner sits there already."""
    part = Part(fence)
    for view, tree in VIEWS.items():
        sequence = await sit(store, view, store.subjects.seat(tree, fence.partition), fence)
        if sequence is None:
            return None
        part.seats[view] = sequence
    anchors = [anchor_in(message) for message in await store.everything(ANCHORS, store.subjects.leaf(ANCHOR, fence.partition))]
    if anchors:
        await hold(store, anchors)
        part.through = anchors[-1].through
        part.owed = tails_in(anchors)
    async for page in store.complete("WAKE", store.subjects.branch("wake", fence.partition)):
        for message in page:
            if message.data:
                waking = summary_in(message)
                part.waking[waking.stream] = waking
                part.listed.add(waking.stream)
    part.laid = part.through
    async for page in store.complete("LOG", store.subjects.branch("log", fence.partition), part.through + 1):
        for message in page:
            part.laid = message.sequence
            part.tails[stream_of_subject(message.subject)] = tail_in(message)
            if (summary := laid(message)) is not None:
                part.lay(summary)
        await asyncio.sleep(0)
    return part


async def sit(store: Store, view: str, seat: str, fence: Fence) -> int | None:
    """Take the seat; its sequence, or None where one of a higher epoch sits there."""
    while True:
        found = await store.last(view, seat)
        if found is not None and sitting(found.data).epoch > fence.epoch:
            return None
        behind = 0 if found is None else found.sequence
        sequence = await store.replace(view, seat, encode(Sitting(fence.owner, fence.epoch)), behind)
        if sequence is not None:
            return sequence


async def hold(store: Store, anchors: list[Anchor]) -> None:
    """Hold the log against anchors: one that ends before what was anchored is Corrupt as a whole."""
    bucket, until = store.subjects.bucket, max(anchor.through for anchor in anchors)
    info = api.stream_info(await store.call(f"STREAM.INFO.{bucket}", {}))
    if info.error is not None:
        raise store.unavailable(str(info.error))
    if info.state.last_seq < until:
        raise Corrupt("the log ends before what was once anchored", who=bucket, where=f"sequence {info.state.last_seq}",
                      expected=f"at least {until} messages, as anchors in {store.subjects.bucket_of(ANCHORS)} say",
                      found=f"{info.state.last_seq}: it was cut, or replaced by an older copy",
                      instead="put the newest copy of the stream back; nothing may be written to this one")
