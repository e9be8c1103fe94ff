"""The gate: a step of the corpus waits here until the schedule lets it go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

import perdure
from perdure.runtime.perform import elsewhere

Turn = tuple[str, str, int]
"""(stream of the run, effect id, attempt)"""


class Gate:
    """Attempts that wait for their turn."""

    def __init__(self) -> None:
        self._doors: dict[Turn, anyio.Event] = {}
        self._hanging: dict[Turn, timedelta] = {}
        self._came: anyio.Event | None = None
        self.seen: set[Turn] = set()
        """Attempts that ever came here."""

    async def wait(self, turn: Turn, hangs: timedelta | None) -> None:
        door = self._doors[turn] = anyio.Event()
        if hangs is not None:
            self._hanging[turn] = hangs
        self.seen.add(turn)
        if self._came is not None:
            self._came.set()
            self._came = None
        try:
            await door.wait()
        finally:
            del self._doors[turn]
            self._hanging.pop(turn, None)

    async def gathered(self, turns: Iterable[Turn]) -> None:
        """Return once all these wait here."""
        missing = list(turns)
        while missing := [turn for turn in missing if turn not in self._doors]:
            if self._came is None:
                self._came = anyio.Event()
            await self._came.wait()

    def open(self, turn: Turn) -> timedelta | None:
        """Let an attempt go on; one that hangs stays, and how long its timeout lasts is the answer."""
        if (limit := self._hanging.get(turn)) is not None:
            return limit
        self._doors[turn].set()
        return None


GATE: ContextVar[Gate | None] = ContextVar("gate", default=None)


async def turn(*, hangs: timedelta | None = None) -> None:
    """Wait to be let through; with `hangs`, wait for ever: the step's timeout, so long, ends it."""
    gate = GATE.get()
    if gate is not None:
        attempt = perdure.current()
        await gate.wait((attempt.stream, attempt.effect, attempt.attempt), hangs)
    elif hangs is not None:
        await anyio.sleep_forever()
    else:
        await anyio.lowlevel.checkpoint()


class GatedThreads:
    """The port of plain functions: they too wait for their turn, and then run in a real thread."""

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await turn()
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))

    async def look(self, function: Callable[..., Any], *args: Any) -> Any:
        """Here and now: no virtual time may pass meanwhile, or the question is given up."""
        await anyio.lowlevel.checkpoint()
        return function(*args)


class GatedProcesses:
    """The port of steps for a process of their own: what would travel to it and back does, and a thread performs it."""

    async def run(self, order: bytes) -> bytes:
        await turn()
        return await anyio.to_thread.run_sync(elsewhere.perform, order)
