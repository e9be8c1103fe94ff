"""The alarm: wakes runs when something of theirs is due.

What is due soon sits in a heap; what is due later rests in the index of heads alone, until the sweep, which runs every
half horizon, finds it. The sweep also finds what should be live and is not: it is the recovery after a crash, and at
rest it must find none. Suspended runs it wakes once, since the code of this node may be another. While the wall clock is
doubted, no timer fires, and the sweep only recovers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import Any

import anyio

from ...actors.ports import Clock
from ...eventlog.errors import PerdureError
from ...eventlog.log import Heads, Summary
from ..run.commands import Wake
from .steadiness import Steadiness

logger = logging.getLogger("perdure.runtime")

HORIZON = 60_000_000
"""Microseconds ahead of which timers are held in memory."""

RECOVERED_AT_ONCE = 200
"""Runs that a sweep wakes before it waits for them to be awake."""

LONGEST_NAP = 3600.0

DOUBT_SECONDS = 1.0
"""How often a wall clock that is doubted is looked at again."""


def time_of_loop() -> int:
    """The event loop's own clock, in microseconds: nobody can set it."""
    return round(anyio.current_time() * 1e6)


class Alarm:
    """Timers of runs, and the sweep over the heads."""

    def __init__(
        self,
        heads: Heads,
        clock: Clock,
        post: Callable[[str, Any], None],
        *,
        ask: Callable[[str, Any], Awaitable[Any]],
        is_awake: Callable[[str], bool],
        serves: Callable[[Summary], bool] = lambda _: True,
        steady: Callable[[], int] = time_of_loop,
    ) -> None:
        self._heads = heads
        self._clock = clock
        self._post = post
        self._ask = ask
        self._is_awake = is_awake
        self._serves = serves
        self._steadiness = Steadiness(clock, steady)
        self._heap: list[tuple[int, str]] = []
        self._set: dict[str, int] = {}
        """The earliest entry of each stream that is in the heap."""
        self._resting: set[str] = set()
        """Suspended runs that the code of this node does not agree with either."""
        self._earlier: anyio.Event | None = None
        self.recovered = 0
        """Runs found live by a sweep though nothing held them awake."""

    def wake_at(self, stream: str, due: int) -> None:
        """Send Wake to the stream once the clock says `due`; forgotten if that is beyond the horizon, for the sweep to find."""
        if due <= self._clock.now() + HORIZON:
            self._keep(stream, due)

    def rest_until(self, stream: str, due: int | None) -> None:
        """Wake no more by sweeps what was tried in vain; when it is due, however late that is: the index says something else of it."""
        self._resting.add(stream)
        if due is not None:
            self._keep(stream, due)

    def lose(self, is_lost: Callable[[str], bool]) -> None:
        """Another node may try these, and suspend them under its own build: what is known of them here counts no more."""
        self._resting = {stream for stream in self._resting if not is_lost(stream)}

    def _keep(self, stream: str, due: int) -> None:
        known = self._set.get(stream)
        if known is not None and known <= due:
            return
        self._set[stream] = due
        heappush(self._heap, (due, stream))
        if self._heap[0][0] == due and self._earlier is not None:
            self._earlier.set()
            self._earlier = None

    def doubted(self) -> bool:
        """Whether the wall clock has jumped, and nobody has said that it is right."""
        return bool(self._steadiness.jumped())

    def confirm_clock(self) -> None:
        """The wall clock is right as it is, whatever it showed before."""
        self._steadiness.confirm()
        if self._earlier is not None:
            self._earlier.set()
            self._earlier = None

    async def serve(self) -> None:
        """Wake what is due, until cancelled."""
        heap = self._heap
        while True:
            now, doubted = self._clock.now(), self._steadiness.jumped()
            while heap and heap[0][0] <= now and not doubted:
                due, stream = heappop(heap)
                if self._set.get(stream) == due:
                    del self._set[stream]
                    self._post(stream, Wake())
            self._earlier = anyio.Event()
            with anyio.move_on_after(DOUBT_SECONDS if doubted else (heap[0][0] - now) / 1e6 if heap else LONGEST_NAP):
                await self._earlier.wait()

    async def sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as away:  # the next sweep finds what this one could not
                logger.warning("a sweep failed: %r", away)
            await anyio.sleep(HORIZON / 2e6)

    async def sweep(self) -> int:
        """Wake every run that should be live and is not; how many. Timers that come due soon go into the heap."""
        found, after, believed = 0, None, not self._steadiness.jumped()
        rested, resting = frozenset(self._resting), set[str]()
        until = self._clock.now() + HORIZON if believed else 0
        while page := await self._heads.due(until, after=after, limit=RECOVERED_AT_ONCE):
            ours = [summary for summary in page if self._serves(summary)]
            resting |= {s.stream for s in ours if s.stream in rested and s.head.status == "suspended"}
            asleep = [s.stream for s in ours if s.head.wake_at == 0 and s.stream not in resting and not self._is_awake(s.stream)]
            for stream in asleep[:-1]:
                self._post(stream, Wake(believed=believed))
            if asleep:
                await self._wake_and_wait(asleep[-1], Wake(believed=believed))
            for summary in ours:
                if summary.head.wake_at:
                    self.wake_at(summary.stream, summary.head.wake_at)
            found += len(asleep)
            last = page[-1]
            after = (last.head.wake_at or 0, last.stream)
        self._resting -= rested - resting
        self.recovered += found
        return found

    async def _wake_and_wait(self, stream: str, wake: Wake) -> None:
        """The last of a page: once it has answered, all before it have had their turn."""
        try:
            await self._ask(stream, wake)
        except PerdureError:
            return  # a broken stream must not keep the others from being found
