"""Heads of a namespace: what is owned from the index, the rest from the view, which lags behind by some seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice

from ....eventlog.errors import Corrupt
from ....eventlog.log import Summary
from ....eventlog.search import Search
from ..records.headlines import summary_in
from ..wire.messages import Message
from ..wire.store import Store
from .index import Index
from .keeper import Keeper, logger

PART, TREE = "HEADS", "head"


class Mirror:
    """The view of heads in memory, for listing and searching: filled when first asked, then only what came since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = 0
        self._summaries: dict[str, Summary] = {}
        self._order: list[str] = []
        """Their names in order; none where that has to be made anew."""

    async def refreshed(self) -> Mapping[str, Summary]:
        """The newest head of every stream, as the view has them."""
        async for page in self._store.complete(PART, self._store.subjects.tree(TREE), self._seen + 1):
            for message in page:
                self._take(message)
        self._order = self._order or sorted(self._summaries)
        return self._summaries

    def names(self, prefix: str, after: str) -> Iterator[str]:
        """The streams whose names begin so, in order, behind `after`."""
        first = max(bisect_left(self._order, prefix), bisect_right(self._order, after))
        for place in range(first, len(self._order)):
            if not self._order[place].startswith(prefix):
                return
            yield self._order[place]

    def _take(self, message: Message) -> None:
        if message.sequence <= self._seen:
            return  # another asker was faster
        self._seen = message.sequence
        match message.subject.split(".")[3]:
            case "rebuilt":
                self._summaries, self._order = {}, []
            case "seat":
                pass
            case _:
                try:
                    summary = summary_in(message)
                except Corrupt as damage:
                    logger.warning("%s: it is left out", damage)
                    return
                if summary.stream not in self._summaries:
                    self._order = []
                self._summaries[summary.stream] = summary


class JetStreamHeads:
    """Heads over the index and the views."""

    def __init__(self, store: Store, index: Index, keeper: Keeper) -> None:
        self._store = store
        self._index = index
        self._keeper = keeper
        self._mirror = Mirror(store)

    async def get(self, stream: str) -> Summary | None:
        known = self._index.known(stream)
        if known is not None:
            return known
        found = await self._store.last(PART, self._store.subjects.of(stream, TREE))
        return self._index.known(stream) or (None if found is None else summary_in(found))

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        """As promised by the protocol, of the partitions that are owned here."""
        return self._index.due(before, after, limit)

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        return await self.find(Search(prefix=prefix), after=after, limit=limit)

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        """As promised by the protocol; every process that asks keeps all heads in memory from then on."""
        written = await self._mirror.refreshed()
        fresh = {one.stream: one for one in self._index.fresh() if one.stream > after and one.stream.startswith(search.prefix)}
        names = (name for name, _ in groupby(merge(self._mirror.names(search.prefix, after), sorted(fresh))))
        newest = (fresh.get(name) or written[name] for name in names)
        return list(islice((summary for summary in newest if search.wants(summary.stream, summary.head)), limit))

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        await self._keeper.rebuild(summaries)
