"""Workers: one comes when something is wanted, at most so many at once, and leaves when nothing waits any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
import anyio.abc

from ...actors.backoff import backoff

T = TypeVar("T")

FIRST_PAUSE = 0.05


class Workers(Generic[T]):
    """`want` may be called at any time; `serve` does the rest. `do` says whether a thing is done: else it is done again, ever later."""

    def __init__(self, do: Callable[[T], Awaitable[bool]], *, at_once: int, longest_pause: float) -> None:
        self._do = do
        self._at_once = at_once
        self._longest_pause = longest_pause
        self._waiting: deque[tuple[T, int]] = deque()
        """What is wanted, and how often it was tried in vain."""
        self._working = 0
        self._group: anyio.abc.TaskGroup | None = None

    async def serve(self) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            for _ in range(len(self._waiting)):
                self._call_worker()
            await anyio.sleep_forever()

    def want(self, thing: T, tries: int = 0) -> None:
        self._waiting.append((thing, tries))
        self._call_worker()

    def _call_worker(self) -> None:
        if self._group is not None and self._working < self._at_once:
            self._working += 1
            self._group.start_soon(self._work, self._group)

    async def _work(self, group: anyio.abc.TaskGroup) -> None:
        try:
            while self._waiting:
                thing, tries = self._waiting.popleft()
                if not await self._do(thing):
                    group.start_soon(self._later, thing, tries + 1)
        finally:
            self._working -= 1

    async def _later(self, thing: T, tries: int) -> None:
        """The pause takes no worker's time."""
        await anyio.sleep(backoff(tries, first=FIRST_PAUSE, longest=self._longest_pause))
        self.want(thing, tries)
