"""One virtual clock: time stands still until somebody moves it, for the runtime's clock port and for the event loop alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import anyio
from trio.lowlevel import current_clock
from trio.testing import MockClock

from perdure.runtime.testing.loop import run_seeded

T = TypeVar("T")

START = 1_700_000_000_000_000
"""Microseconds since 1970 at which every schedule begins."""

SLACK = 0.001
"""Seconds by which the loop is moved further than the clock: whoever was woken finds that it is time."""


class Jumps(Protocol):
    """An event loop whose time can be moved forward."""

    def jump(self, seconds: float) -> None: ...


class JumpingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time can be moved forward."""

    def __init__(self) -> None:
        self._ahead = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self._ahead

    def jump(self, seconds: float) -> None:
        self._ahead += seconds


class VirtualClock:
    """The clock port of a runtime, moved together with the loop under it."""

    def __init__(self, loop: Jumps) -> None:
        self._loop = loop
        self._now = START

    def now(self) -> int:
        return self._now

    def set(self, moment: int) -> None:
        """Begin at a moment, as a process does that finds a log."""
        self._now = moment

    def reach(self, moment: int) -> None:
        """Move on to a moment; one that is past changes nothing."""
        if moment > self._now:
            ahead, self._now = moment - self._now, moment
            self._loop.jump(ahead / 1e6 + SLACK)


def on_asyncio(work: Callable[[VirtualClock], Awaitable[T]]) -> T:
    """Run the work on asyncio, with a clock that only it moves."""

    async def main() -> T:
        loop: Any = asyncio.get_running_loop()
        return await work(VirtualClock(loop))

    return anyio.run(main, backend_options={"loop_factory": JumpingLoop})


def on_trio(work: Callable[[VirtualClock], Awaitable[T]]) -> T:
    """Run the work on trio, with a clock that only it moves."""
    mock = MockClock()

    async def main() -> T:
        return await work(VirtualClock(mock))

    return anyio.run(main, backend="trio", backend_options={"clock": mock})


def in_simulation(seed: int, work: Callable[[VirtualClock], Awaitable[T]]) -> T:
    """Run the work on the loop of the simulation: the order of its tasks is drawn, and waits of its own pass by themselves."""

    async def main() -> T:
        loop: Any = current_clock()
        return await work(VirtualClock(loop))

    return run_seeded(seed, main)
