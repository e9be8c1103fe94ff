"""Following one run of a log in NATS from a program that has no event loop: the loop is in a thread beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ....eventlog.errors import NotFound
from ....eventlog.records import Record
from ...nats.reading import Views, open_views
from .progress import Progress, Watching


class WatchInNats(Watching):
    """The same as `Watch`, of a namespace."""

    def __init__(self, url: str, stream: str) -> None:
        self.progress = Progress()
        self._url = url
        self._stream = stream
        self._position: int = 0
        self._opened = ExitStack()
        self._portal: BlockingPortal = self._opened.enter_context(start_blocking_portal())
        self._views: Views | None = None

    def look(self) -> Progress:
        views = self._views = self._views or self._open()
        if views is not None:
            records: Sequence[Record] = self._portal.call(views.grown, self._stream, self._position)
            if self.progress.take(records):
                self._position = records[-1].position
        return self.progress

    def _open(self) -> Views | None:
        try:
            return self._opened.enter_context(self._portal.wrap_async_context_manager(open_views(self._url)))
        except NotFound:
            return None

    def close(self) -> None:
        self._opened.close()
