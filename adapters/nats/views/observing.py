"""What anchors, views and the log say of partitions, read by somebody who owns none of them and sits nowhere."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from ....eventlog.errors import Corrupt
from ....eventlog.log import Summary
from ....eventlog.records import EMPTY, Tail
from ..owning.fences import Fence
from ..records.headlines import summary_in
from ..wire.messages import Message
from ..wire.store import Store
from .anchors import PART as ANCHORS
from .anchors import TREE as ANCHOR
from .anchors import Anchor, anchor_in, tails_in
from .index import Part
from .taking import VIEWS, anchors_of, read_logs

logger = logging.getLogger("perdure.nats")

OTHERS = frozenset({"seat", "rebuilt"})
"""What stands in the tree of a view where a head has its partition."""


def summary_of(message: Message) -> Summary | None:
    """The head that a message of a view holds; None where it holds something else, or says that there is none."""
    return summary_in(message) if message.data and message.subject.split(".")[3] not in OTHERS else None


async def throughs(store: Store, anchors: Mapping[int, Sequence[Anchor]], there: Collection[str]) -> dict[int, int]:
    """Up to which sequence of the log the views have the heads of each partition: nowhere, where a view was emptied by somebody."""
    found = {partition: list_[-1].through for partition, list_ in anchors.items()}
    for view, tree in VIEWS.items():
        seats = await store.everything(view, f"perdure.{store.subjects.namespace}.{tree}.seat.*") if view in there else []
        seated = {int(message.subject.rpartition(".")[2]) for message in seats}
        found = {partition: through for partition, through in found.items() if partition in seated}
    return found


async def fresh_heads(store: Store, there: Collection[str]) -> dict[str, Summary]:
    """The heads that the views do not have yet, from the log behind the anchors."""
    parts = {partition: Part(Fence(partition)) for partition in range(store.subjects.partitions)}
    anchors = await anchors_of(store, parts) if ANCHORS in there else {}
    for partition, through in (await throughs(store, anchors, there)).items():
        parts[partition].through = parts[partition].laid = through
    newest = await store.last("LOG", store.subjects.all)
    await read_logs(store, list(parts.values()), 0 if newest is None else newest.sequence)
    return {stream: summary for part in parts.values() for stream, summary in part.fresh.items()}


async def all_heads(store: Store, there: Collection[str]) -> dict[str, Summary]:
    """The newest head of every stream. What the log has behind the anchors is read first: a view can only be ahead of it then."""
    found = await fresh_heads(store, there)
    if "HEADS" in there:
        async for page in store.complete("HEADS", store.subjects.tree("head")):
            for summary in filter(None, map(summary_of, page)):
                known = found.get(summary.stream)
                if known is None or known.tail.version < summary.tail.version:
                    found[summary.stream] = summary
    return found


class Witnesses:
    """Knows how far streams have been, by anchors and the view of heads alone."""

    def __init__(self, store: Store, there: Collection[str]) -> None:
        self._store = store
        self._there = there

    async def tails(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        return {stream: tail for stream in streams if (tail := await self._tail(stream)) != EMPTY}

    async def _tail(self, stream: str) -> Tail:
        store, found = self._store, [EMPTY]
        if ANCHORS in self._there:
            leaf = store.subjects.leaf(ANCHOR, store.subjects.partition_of(stream))
            anchors = [anchor for message in await store.everything(ANCHORS, leaf) if (anchor := readable(message)) is not None]
            found.append(tails_in(anchors).get(stream, EMPTY))
        if "HEADS" in self._there:
            head = await store.last("HEADS", store.subjects.of(stream, "head"))
            found += [summary.tail] if head is not None and (summary := summary_of(head)) is not None else []
        return max(found, key=lambda tail: tail.version)


def readable(message: Message) -> Anchor | None:
    try:
        return anchor_in(message)
    except Corrupt as damage:
        logger.warning("%s: the anchors before it count", damage)
        return None
