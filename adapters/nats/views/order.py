"""Who is to be woken when: streams that are live now, and those with a time, in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable
from heapq import nsmallest
from itertools import islice, takewhile

Key = tuple[int, str]


class Order:
    """Streams by (wake_at, stream). What is live (0) changes most and is ordered only when asked for."""

    def __init__(self) -> None:
        self._live: set[str] = set()
        self._timed: list[Key] = []

    def __len__(self) -> int:
        return len(self._live) + len(self._timed)

    def move(self, stream: str, before: int | None, now: int | None) -> None:
        """A stream that had the wake-up `before` has `now`; None is none."""
        if before == now:
            return
        if before == 0:
            self._live.discard(stream)
        elif before is not None:
            del self._timed[bisect_left(self._timed, (before, stream))]
        if now == 0:
            self._live.add(stream)
        elif now is not None:
            insort(self._timed, (now, stream))

    def add(self, wakes: Iterable[Key]) -> None:
        """Many streams that had no wake-up have these."""
        for due, stream in wakes:
            if due == 0:
                self._live.add(stream)
            else:
                self._timed.append((due, stream))
        self._timed.sort()

    def drop(self, streams: Collection[str]) -> None:
        """Many streams have no wake-up any more."""
        if streams:
            self._live.difference_update(streams)
            self._timed = [key for key in self._timed if key[1] not in streams]

    def page(self, until: int, after: Key | None, limit: int) -> list[str]:
        """At most so many streams that are to be woken until then, behind `after`, in order."""
        live: list[str] = []
        if until >= 0 and (after is None or after[0] <= 0):
            behind = "" if after is None or after[0] < 0 else after[1]
            live = nsmallest(limit, (stream for stream in self._live if stream > behind))
        first = 0 if after is None else bisect_right(self._timed, after)
        timed = takewhile(lambda key: key[0] <= until, islice(self._timed, first, first + limit - len(live)))
        return live + [stream for _, stream in timed]
