"""Making the views of heads anew: they are emptied, and filled again from what a fold of the log gave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ....eventlog.errors import Refused
from ....eventlog.log import Summary
from ..wire.batches import Post, write
from ..wire.store import Store
from . import anchors
from .index import Index
from .taking import seat_of

REBUILT = "rebuilt"
"""The last token of the subject that tells whoever keeps a copy of the heads to drop it."""


async def rebuild(store: Store, index: Index, summaries: Iterable[Summary]) -> None:
    """Empty the views, and let the index have these heads to be written to them; who owns less than everything is Refused.

    Anchors say first that the views have nothing: whoever takes over in between reads the log.
    """
    subjects, parts = store.subjects, index.parts
    if len(parts) < subjects.partitions:
        raise Refused("heads can be made anew only by who owns every partition", who=subjects.namespace,
                      expected=f"{subjects.partitions} partitions", found=str(len(parts)), instead="stop the other workers first")
    grouped: defaultdict[int, list[Summary]] = defaultdict(list)
    for summary in summaries:
        grouped[subjects.partition_of(summary.stream)].append(summary)
    posts: list[Post] = []
    for partition, part in parts.items():
        nothing = anchors.encode(anchors.anchor_of(part.fence.owner, part.fence.epoch, 0, {}))
        posts.append(Post(partition, subjects.leaf(anchors.TREE, partition), nothing, seat_of(subjects, part, anchors.PART)))
        part.through = 0
    if lost := await write(store, anchors.PART, posts):
        raise Refused("heads cannot be made anew while another takes over", who=subjects.namespace,
                      found=f"partitions lost: {sorted(lost)}",
                      instead="stop the other workers first")
    await store.publish("HEADS", f"perdure.{subjects.namespace}.head.{REBUILT}", b"")
    for partition, part in list(parts.items()):
        await store.purge("HEADS", subjects.branch("head", partition))
        await store.purge("WAKE", subjects.branch("wake", partition))
        index.renew(part, grouped[partition])
