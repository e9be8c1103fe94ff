"""Deadlines of those who wait for an answer: one heap and one task for all, since a scope for each costs more than the answer."""

from __future__ import annotations

from heapq import heappop, heappush

import anyio

from ..eventlog.errors import Unavailable
from .mailbox import Promise

LONGEST_NAP = 3600.0


class Deadlines:
    """Promises, and when each is broken if nobody has kept it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Promise, str, str, float]] = []
        self._count = 0
        self._earlier: anyio.Event | None = None
        self._naps_until = 0.0

    def watch(self, promise: Promise, within: float, who: str, what: str) -> None:
        """Break the promise with Unavailable unless it is kept within so many seconds."""
        heap = self._heap
        while heap and heap[0][2].done:
            heappop(heap)
        self._count += 1
        deadline = anyio.current_time() + within
        heappush(heap, (deadline, self._count, promise, who, what, within))
        if deadline < self._naps_until and self._earlier is not None:
            self._earlier.set()
            self._earlier = None

    async def serve(self) -> None:
        """Break what is overdue, until cancelled."""
        heap = self._heap
        while True:
            now = anyio.current_time()
            while heap and (heap[0][0] <= now or heap[0][2].done):
                _, _, promise, who, what, within = heappop(heap)
                if not promise.done:
                    promise.breaks(too_late(who, what, within))
            self._earlier, self._naps_until = anyio.Event(), heap[0][0] if heap else now + LONGEST_NAP
            with anyio.move_on_after(self._naps_until - now):
                await self._earlier.wait()

    def end(self, why: Unavailable) -> None:
        """Break them all: nobody is left who could keep them."""
        while self._heap:
            heappop(self._heap)[2].breaks(why)


def too_late(who: str, what: str, within: float) -> Unavailable:
    return Unavailable("no answer in time", who=who, where=what, expected=f"an answer within {within:g} s", found="none yet",
                       instead="ask again with the same command id: what was accepted is not done twice")
