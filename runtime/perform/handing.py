"""Handing over: what a node does when it wins or loses parts of the streams while it serves.

Winning is a sweep, as after a start. Losing forgets, and ends what is in flight. A part that is handed over in good order
begins no more steps, stays served until those that run have ended, and is let go of between two turns.
"""

from __future__ import annotations

import logging
import math
from abc import ABC
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

import anyio

from ...actors.dispatcher import Dispatcher
from ...actors.passivating import preserve
from ...eventlog.errors import PerdureError
from .alarm import Alarm
from .performer import Performer
from .pool import Pool

logger = logging.getLogger("perdure.runtime")

LOOKS_EVERY = 0.005
"""Seconds between two looks at whether something to be handed over is quiet by now."""

HAND_OVER_SECONDS = 30.0


class Handing(ABC):
    """A runtime's words for streams that come and go."""

    dispatcher: Dispatcher
    pool: Pool
    performer: Performer
    alarm: Alarm

    async def won(self) -> None:
        """Ownership says of more streams that they are ours: wake what should be live, and set their timers."""
        await self.alarm.sweep()

    def stand_still(self, leaves: Callable[[str], bool] | None) -> None:
        """Begin no step of the streams that leave; commands to them are served as ever. None: nothing leaves any more."""
        self.performer.stand_still(leaves)

    def busy(self) -> set[str]:
        """Streams with a step in flight here, or with news that are not durable yet."""
        return self.pool.busy() | self.dispatcher.busy()

    async def lost(self, is_lost: Callable[[str], bool]) -> None:
        """Ownership says of these streams that they are not ours: forget them. Returns once no turn of this node decides for them."""
        self.dispatcher.lose(is_lost)
        self.performer.lose(is_lost)
        self.alarm.lose(is_lost)
        while any(map(is_lost, self.dispatcher.deciding())):  # noqa: ASYNC110 - an event would cost every turn what a loss only needs
            await anyio.sleep(LOOKS_EVERY)


class Parts(Protocol):
    """What a node owns of the streams, as its ownership keeps it."""

    def part_of(self, stream: str) -> int: ...

    async def prepare(self, parts: Collection[int]) -> None:
        """These are about to go, and still served: do what need not be done while nobody serves them."""
        ...

    def disown(self, parts: Collection[int]) -> None:
        """Say from now on that these are not ours."""
        ...

    async def release(self, parts: Collection[int]) -> None:
        """Nothing is decided for these here any more: let others have them."""
        ...


class Handover:
    """Hands parts over, each once it is quiet, at the latest when patience ends; what still runs then is cut short."""

    def __init__(self, runtime: Handing, parts: Parts, *, seconds: float = HAND_OVER_SECONDS) -> None:
        self.runtime = runtime
        self.parts = parts
        self.seconds = seconds
        self.leaving: dict[int, float] = {}
        """The parts that are to go, and when at the latest."""
        self._more = anyio.Event()
        self._told = False

    def begin(self, parts: Iterable[int]) -> None:
        """Hand these over from now on."""
        latest = anyio.current_time() + self.seconds
        more = {part: latest for part in parts if part not in self.leaving}
        if more:
            self.leaving |= more
            self.runtime.stand_still(self._leaves)
            self._told = True
            self._more.set()

    def lose(self, parts: Collection[int]) -> None:
        """Others have taken these: there is nothing to be handed over."""
        for part in parts:
            self.leaving.pop(part, None)
        self.runtime.stand_still(self._leaves if self.leaving else None)

    def win(self, parts: Collection[int]) -> None:
        """These are ours anew, perhaps before they were let go of: from now on their steps begin."""
        self.lose(parts)

    async def serve(self) -> None:
        """Hand over what is to go, until cancelled."""
        while True:
            if self.leaving:
                await self._prepare()
                await self._look()
                await anyio.sleep(LOOKS_EVERY)
            else:
                self._more = anyio.Event()
                await self._more.wait()

    async def _prepare(self) -> None:
        """Once for all that were told to go since the last look."""
        if self._told:
            self._told = False
            try:
                await self.parts.prepare(self.leaving)
            except PerdureError as away:
                logger.warning("%d parts go unprepared: %r", len(self.leaving), away)

    async def _look(self) -> None:
        """Let go of what is quiet. What meanwhile is lost, or ours anew, is left alone."""
        busy, now = {self.parts.part_of(stream) for stream in self.runtime.busy()}, anyio.current_time()
        ready = {part: latest for part, latest in self.leaving.items() if part not in busy or latest <= now}
        if not ready:
            return

        def goes(stream: str) -> bool:
            return self.parts.part_of(stream) in ready

        await preserve(self.runtime.dispatcher, goes)
        ready = self._still(ready)
        self.parts.disown(ready)
        await self.runtime.lost(goes)
        ready = self._still(ready)
        self.lose(ready)
        try:
            await self.parts.release(ready)
        except PerdureError as away:  # whoever looks next at who should have them sees that nobody serves them
            logger.warning("%d parts could not be handed over: %r", len(ready), away)

    def _still(self, ready: Mapping[int, float]) -> dict[int, float]:
        return {part: latest for part, latest in ready.items() if self.leaving.get(part) == latest}

    def _leaves(self, stream: str) -> bool:
        return self.parts.part_of(stream) in self.leaving

    async def finish(self) -> None:
        """Return once everything that was to go has gone."""
        with anyio.move_on_after(max(self.leaving.values(), default=-math.inf) - anyio.current_time() + 1):
            while self.leaving:  # noqa: ASYNC110 - asked for once in a node's life
                await anyio.sleep(LOOKS_EVERY)
