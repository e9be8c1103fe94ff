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

    def watch(self, promise: Promise, within: float, who: str, what: str) -> None:
        """Break the promise with Unavailable unless it is kept within so many seconds."""
        heap = self._heap
        while heap and heap[0][2].done:
            heappop(heap)
        self._count += 1
        heappush(heap, (anyio.current_time() + within, self._count, promise, who, what, within))
        if heap[0][2] is promise and self._earlier is not None:
            self._earlier.set()
            self._earlier = None

    async def serve(self) -> None:
        """Break what is overdue, until cancelled."""
        heap = self._heap
        while True:
            now = anyio.current_time()
            while heap and (heap[0][0] <= now or heap[0][2].done):
                _, _, promise, who, what, within = heappop(heap)
                promise.breaks(too_late(who, what, within))
            self._earlier = anyio.Event()
            with anyio.move_on_after(heap[0][0] - now if heap else LONGEST_NAP):
                await self._earlier.wait()

    def end(self, why: Unavailable) -> None:
        """Break them all: nobody is left who could keep them."""
        while self._heap:
            heappop(self._heap)[2].breaks(why)


def too_late(who: str, what: str, within: float) -> Unavailable:
    return Unavailable("no answer in time", who=who, where=what, expected=f"an answer within {within:g} s", found="none yet",
                       instead="ask again with the same command id: what was accepted is not done twice")
