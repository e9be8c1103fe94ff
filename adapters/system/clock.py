"""The machine's clock, its chance and its threads."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import anyio
import anyio.to_thread

from ...eventlog.errors import Unavailable

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = [high + low for high in CROCKFORD for low in CROCKFORD]


LOOKS_AT_ONCE = 4

STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


class SystemClock:
    """Wall time of this machine."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def steady(self) -> int:
        """Microseconds of a clock that nobody can set, and that goes on while the machine sleeps, so that its waking is no jump."""
        return time.clock_gettime_ns(STEADY) // 1000 if STEADY is not None else time.monotonic_ns() // 1000


class SystemIds:
    """Ids and seeds from the operating system's source of chance."""

    def run_id(self, now: int) -> str:
        """18 characters of Crockford's base 32: ten of the millisecond, eight of chance; so ids sort by time."""
        return _moment(now // 1000) + _digits(int.from_bytes(os.urandom(5)))

    def seed(self) -> int:
        return int.from_bytes(os.urandom(8)) >> 1


class WorkerThreads:
    """Plain functions in worker threads, as many at once as steps may run."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limiter: anyio.CapacityLimiter | None = None
        self._looking: anyio.CapacityLimiter | None = None
        self._left: list[threading.Event] = []
        """Of looks that nobody waits for any more, and that nobody can stop: what tells their end."""

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._limit)
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)

    async def look(self, function: Callable[..., Any], *args: Any) -> Any:
        """As many at once as there are places; one that is given up, and hangs, keeps its place until it ends."""
        if self._looking is None:
            self._looking = anyio.CapacityLimiter(LOOKS_AT_ONCE)
        async with self._looking:
            self._left = [ended for ended in self._left if not ended.is_set()]
            if len(self._left) + self._looking.borrowed_tokens > LOOKS_AT_ONCE:
                raise Unavailable("too many queries hang", who="queries", expected=f"at most {LOOKS_AT_ONCE} at once",
                                  found=f"{len(self._left)} that go on though nobody waits for them",
                                  instead="ask again later, and look into the code of the queries that never end")
            ended = threading.Event()

            def looked() -> Any:
                try:
                    return function(*args)
                finally:
                    ended.set()

            try:
                return await anyio.to_thread.run_sync(looked, limiter=anyio.CapacityLimiter(1), abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                self._left.append(ended)
                raise


def owner() -> str:
    """This process, as the log names it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _digits(number: int) -> str:
    """The last eight digits of a number, two at a time."""
    return f"{PAIRS[number >> 30 & 1023]}{PAIRS[number >> 20 & 1023]}{PAIRS[number >> 10 & 1023]}{PAIRS[number & 1023]}"


@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> str:
    """Its ten digits. Many runs begin in one millisecond."""
    return PAIRS[milliseconds >> 40 & 1023] + _digits(milliseconds)
