"""The auditor: in the background and slowly, holds what is kept of actors against their logs, one actor after the other.

It takes turns between what is in memory and what has a snapshot. What differs is thrown away, so that the actor is folded from its
log again, and told of; where the log itself does not hold, the actor is quarantined.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import anyio

from ...actors.auditing import audit, drop_snapshot
from ...actors.waking import wake_anew
from ...eventlog.errors import Corrupt, Invalid
from ...eventlog.log import Cursor

if TYPE_CHECKING:
    from ...actors.dispatcher import Dispatcher
    from .quarantining import Quarantining

logger = logging.getLogger("perdure.runtime")

SHARE = 100
"""After an audit it rests for at least so many times as long as that took: it uses a hundredth of the node."""

PASSED_OVER_MAX = 20
"""So many snapshots of streams that are not served here are passed over before it rests."""


class Auditor:
    """Audits an actor every so many seconds, at most; with 0 none, until `look` is called."""

    def __init__(self, dispatcher: Dispatcher, quarantining: Quarantining, seconds: float) -> None:
        self._dispatcher = dispatcher
        self._quarantining = quarantining
        self._seconds = seconds
        self._in_memory: deque[str] = deque()
        self._cursor: Cursor = ""
        self._memory_next = True
        self.audited = 0
        """Audits so far."""

    async def serve(self) -> None:
        """Audit until cancelled."""
        while self._seconds:
            begun = anyio.current_time()
            try:
                await self.look()
            except Exception as away:  # the next audit may be luckier
                logger.warning("an audit failed: %r", away)
            await anyio.sleep(max(self._seconds, SHARE * (anyio.current_time() - begun)))

    async def look(self) -> None:
        """Audit one actor: the next of those in memory, or the next that has a snapshot, by turns."""
        self._memory_next = not self._memory_next
        stream = await self._next_snapshot() if self._memory_next else self._next_in_memory()
        if stream is not None:
            await self.audit(stream)

    async def audit(self, stream: str) -> None:
        """Hold what is kept of one actor against its log, and throw away what differs."""
        self.audited += 1
        try:
            found = await audit(self._dispatcher, stream)
        except (Corrupt, Invalid) as damage:
            await drop_snapshot(self._dispatcher, stream)
            self._quarantining.broke(stream, damage)
            wake_anew(self._dispatcher, stream)
            return
        for difference in found:
            self._quarantining.differs(difference)
            if difference.what == "snapshot":
                await drop_snapshot(self._dispatcher, stream)
            else:
                wake_anew(self._dispatcher, stream)

    def _next_in_memory(self) -> str | None:
        actors = self._dispatcher.actors
        if not self._in_memory:
            self._in_memory.extend(stream for stream, actor in actors.items() if actor.awake)
        while self._in_memory:
            stream = self._in_memory.popleft()
            actor = actors.get(stream)
            if actor is not None and actor.awake:
                return stream
        return None

    async def _next_snapshot(self) -> str | None:
        for _ in range(PASSED_OVER_MAX):
            found = await self._dispatcher.snapshots.behind(self._cursor)
            if found is None:
                self._cursor = ""
                return None
            self._cursor, stream = found
            if stream.partition("/")[0] in self._dispatcher.kinds and self._dispatcher.ownership.epoch(stream) is not None:
                return stream
        return None
