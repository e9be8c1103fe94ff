"""How far streams have been, beyond what the log says: by what this process wrote, by anchors, by the view of heads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ....eventlog.errors import Corrupt
from ....eventlog.records import EMPTY, Tail
from ..records.headlines import summary_in
from ..wire.store import Store
from .index import Index

logger = logging.getLogger("perdure.nats")

MADE_UP_MAX = 10_000
"""So many names are remembered that were made up and have not begun; if there are more, all of them are asked about."""


class Evidence:
    """Knows tails. Of streams that nothing is remembered of, the view of heads is asked; of those whose names are new, nobody."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store = store
        self._index = index
        self._made_up: set[str] = set()

    def made_up(self, stream: str) -> None:
        """The name was made up a moment ago, so that no log can have had it: this holds for the first look at it."""
        if len(self._made_up) >= MADE_UP_MAX:
            self._made_up.clear()
        self._made_up.add(stream)

    async def tails(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        if self._made_up:
            names, streams = streams, [stream for stream in streams if stream not in self._made_up]
            self._made_up.difference_update(names)
        found = {stream: tail for stream in streams if (tail := self._index.owed(stream)) != EMPTY}
        subjects = [self._store.subjects.of(stream, "head") for stream in streams if stream not in found]
        if subjects:
            for message in (await self._store.newest_of("HEADS", subjects)).values():
                try:
                    summary = summary_in(message)
                except Corrupt as damage:
                    logger.warning("%s: the stream is believed as it stands", damage)
                else:
                    found[summary.stream] = summary.tail
        return found
