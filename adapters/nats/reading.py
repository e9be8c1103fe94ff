"""A log in NATS as readers see it: heads, records and blobs, while workers serve it or none does. Nothing is owned and nothing written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from ...eventlog.blobs import Blob
from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Record, verified
from ...eventlog.search import Search
from .inspecting import found_log, looking
from .records.blobs import JetStreamBlobs
from .records.loading import Loading
from .records.places import Places
from .records.reader import Reader
from .url import Place
from .views.observing import Witnesses, all_heads
from .wire import api
from .wire.store import Store


class Views:
    """What doors show of a log. Listing reads every head once, and keeps them until the end."""

    def __init__(self, store: Store, place: Place, there: Mapping[str, api.StreamInfo]) -> None:
        self._store = store
        self._place = place
        self._there = there
        self._reader = Reader(store)
        self._loading = Loading(self._reader, Places(), Witnesses(store, there.keys()))
        self._blobs = JetStreamBlobs(store)
        self._heads: list[Summary] | None = None

    @property
    def place(self) -> str:
        return self._place.hidden

    async def newest(self, *, prefix: str = "", after: tuple[int, str] | None = None, limit: int = 100) -> Sequence[Summary]:
        """Heads by `started_at`, newest first, behind (started_at, stream) of the page before."""
        heads = await self._newest_first()
        wanted = (one for one in heads if one.stream.startswith(prefix) and (after is None or age(one) < after))
        return list(islice(wanted, limit))

    async def find(self, search: Search, *, limit: int = 100) -> Sequence[Summary]:
        """Heads that a search wants, newest first."""
        return list(islice((one for one in await self._newest_first() if search.wants(one.stream, one.head)), limit))

    async def head(self, stream: str) -> Summary | None:
        return next((one for one in await self._newest_first() if one.stream == stream), None)

    async def records(self, stream: str) -> Sequence[Record]:
        """The records of a stream from its start, their chain verified; Corrupt where it once was longer, too."""
        loaded = await self._loading.load({stream: 0})
        return list(verified(stream, EMPTY, loaded[stream]))

    async def grown(self, stream: str, position: int) -> Sequence[Record]:
        """The records of a stream behind a position of the log, for who watches it grow."""
        return await self._reader.all_of(stream, position + 1)

    def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        """The content of a blob, in chunks, each checked before it is given."""
        return self._blobs.read(stream, blob)

    async def _newest_first(self) -> list[Summary]:
        if self._heads is None:
            self._heads = sorted((await all_heads(self._store, self._there.keys())).values(), key=age, reverse=True)
        return self._heads


def age(summary: Summary) -> tuple[int, str]:
    return summary.head.started_at, summary.stream


@asynccontextmanager
async def open_views(url: str) -> AsyncGenerator[Views]:
    """Views of the log that a URL names; NotFound where there is none."""
    async with looking(url) as (store, place):
        yield Views(store, place, await found_log(store, place))
