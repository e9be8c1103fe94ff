"""Streams whose newest record changed no head: that it is there is known from anchors alone, and of those only the last few are kept.

So before its anchor goes, the head of such a stream is written again, with the newer tail: then the view of heads vouches for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, takewhile

from ....eventlog.errors import Corrupt
from ....eventlog.log import Summary
from ....eventlog.records import Tail
from ..records.headlines import summary_in
from ..wire.store import Store

ANCHORS_BEFORE = 12
"""So many anchors of the partition later the head is written; 16 are kept."""

AT_ONCE = 4000
"""At each writing of the views: as many as may have come since the one before."""


class Quiet:
    """Those streams of one partition, the longest quiet first."""

    def __init__(self) -> None:
        self._anchors = 0
        self._tails: dict[str, tuple[int, Tail]] = {}

    def __len__(self) -> int:
        return len(self._tails)

    def anchored(self, tails: Mapping[str, Tail], heads: Mapping[str, Summary]) -> None:
        """Another anchor has these tails; the view has these heads."""
        self._anchors += 1
        for stream, tail in tails.items():
            self._tails.pop(stream, None)
            summary = heads.get(stream)
            if summary is None or summary.tail.version < tail.version:
                self._tails[stream] = (self._anchors, tail)

    def due(self, limit: int) -> dict[str, Tail]:
        """Of whom the head is to be written, or looked at, now; at most so many."""
        last = self._anchors - ANCHORS_BEFORE
        ready = takewhile(lambda item: item[1][0] <= last, self._tails.items())
        return {stream: tail for stream, (_, tail) in islice(ready, limit)}

    def settled(self, streams: Sequence[str]) -> None:
        """The view vouches for them, or never will: they have no head."""
        for stream in streams:
            del self._tails[stream]


async def heads_of(store: Store, streams: Sequence[str]) -> dict[str, Summary]:
    """The heads that the view has of these; without those that cannot be read."""
    found: dict[str, Summary] = {}
    for message in (await store.newest_of("HEADS", [store.subjects.of(stream, "head") for stream in streams])).values():
        try:
            summary = summary_in(message)
        except Corrupt:
            continue  # whoever needs it says so
        found[summary.stream] = summary
    return found
