"""Limiting: attempts that need a slot wait here, outside the pool's queue, until their limit has given them one.

Each limit that attempts of this node need has a desk, which speaks for all of them: one report at a time, and what comes up
meanwhile is in the next. Where the limit's own actor is on this node, it tells the desk of slots at once; else the desk asks.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.abc
from msgspec import Struct

from ...actors.backoff import backoff
from ...actors.ports import Clock
from ...eventlog.errors import Invalid, PerdureError
from ..authoring.retry import microseconds
from ..kinds.limit import LEASE, Asking, Report, State

if TYPE_CHECKING:
    from .job import Job

logger = logging.getLogger("perdure.runtime")

ASKED_AT_ONCE = 1000
"""For so many attempts a node asks a limit at the same time, those with a slot included; the others wait their turn here."""

RENEWED_EVERY = LEASE / 3e6
LOOKS_EVERY = 0.5
"""Seconds between two questions to a limit that is served by another node."""

LONGEST_PAUSE = 1.0


class PoolPort(Protocol):
    """What is needed of the pool."""

    post: Callable[[str, Any], None]
    clock: Clock
    stopping: bool

    def admit(self, job: Job) -> None: ...

    def fail(self, job: Job, started: int, error: BaseException) -> None: ...


class Turn(Struct, eq=False):
    """An attempt that needs a slot."""

    desk: Desk
    job: Job
    asking: Asking
    given: bool = False
    """It has one."""


class Desk:
    """Speaks to one limit for all attempts of this node."""

    def __init__(self, pool: PoolPort, stream: str, bounds: tuple[int, int, int], node: str) -> None:
        self.pool = pool
        self.stream = stream
        self.bounds = bounds
        self.node = node
        self.turns: dict[int, Turn] = {}
        self.is_near = False
        """Whether the limit's actor has spoken to us since the last report: then it is on this node."""
        self.unsure = False
        """Whether the last report may be lost: then the next one is whole."""
        self._asked: dict[int, Asking] = {}
        self._waiting: deque[int] = deque()
        self._ended: list[Asking] = []
        self._patience: list[tuple[int, int]] = []
        """When waiting attempts have waited too long, and their numbers: a heap."""
        self._bell: anyio.Event | None = None

    @property
    def needed(self) -> bool:
        return bool(self.turns or self._ended or self.unsure)

    def enter(self, turn: Turn) -> None:
        number, rules = turn.asking.number, turn.job.call.step.rules
        self.turns[number] = turn
        self._waiting.append(number)
        if rules.start_within is not None and turn.job.care is not None:
            heappush(self._patience, (turn.job.care.asked_at + microseconds(rules.start_within), number))
        self._ring()

    def leave(self, turn: Turn, *, goes_on: bool = False) -> None:
        """The attempt has ended, or is not wanted any more, or goes on without this node: then its slot is not given back."""
        asking = turn.asking
        if self.turns.pop(asking.number, None) is None or self._asked.pop(asking.number, None) is None or goes_on:
            return
        if self.pool.stopping:  # nobody serves the desk for much longer
            self.pool.post(self.stream, Report(self.node, self.bounds, ended=(asking,)))
            return
        self._ended.append(asking)
        self._ring()

    def report(self, *, whole: bool) -> Report:
        """What is to be said now."""
        fresh: list[Asking] = []
        while self._waiting and len(self._asked) < ASKED_AT_ONCE:
            turn = self.turns.get(self._waiting.popleft())
            if turn is not None:
                fresh.append(turn.asking)
                self._asked[turn.asking.number] = turn.asking
        ended, self._ended = self._ended, []
        return Report(self.node, self.bounds, tuple(self._asked.values() if whole else fresh), tuple(ended), whole)

    def give(self, numbers: Iterable[int]) -> None:
        """These have a slot, in the order in which they got it."""
        given = [turn for number in numbers if (turn := self.turns.get(number)) is not None and not turn.given]
        for turn in reversed(given):  # the pool takes the last that is admitted first
            turn.given = True
            self.pool.admit(turn.job)

    def end_late(self) -> None:
        """Those that have waited for longer than their steps allow have failed."""
        now = self.pool.clock.now()
        while self._patience and self._patience[0][0] <= now:
            turn = self.turns.get(heappop(self._patience)[1])
            if turn is not None and not turn.given:
                limit = turn.job.call.step.rules.start_within
                self.pool.fail(turn.job, now, TimeoutError(f"the attempt did not begin within {limit}: its limit had no slot for it"))

    async def news(self, renew_at: float) -> None:
        """Return when there is something to say or to look for."""
        if self._ended or (self._waiting and len(self._asked) < ASKED_AT_ONCE):
            return
        pause = renew_at - anyio.current_time()
        if not self.is_near and self.turns and not next(reversed(self.turns.values())).given:
            pause = min(pause, LOOKS_EVERY)
        if self._patience:
            pause = min(pause, (self._patience[0][0] - self.pool.clock.now()) / 1e6 + 0.001)
        self._bell = anyio.Event()
        with anyio.move_on_after(max(0.0, pause)):
            await self._bell.wait()
        self._bell = None

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.set()


class Slots(Protocol):
    """Where attempts go that need a slot of a limit."""

    def enter(self, pool: PoolPort, job: Job) -> None:
        """Admit the attempt to the pool once it has one."""
        ...


class SlotsGiven:
    """For attempts that got theirs before they came here."""

    def enter(self, pool: PoolPort, job: Job) -> None:
        pool.admit(job)


class Limiting:
    """All desks of a node. `enter` an attempt, and it goes into the pool's queue once it has a slot."""

    def __init__(self, ask: Callable[[str, Any], Awaitable[Any]], node: str) -> None:
        self._ask = ask
        self._node = node
        self._desks: dict[str, Desk] = {}
        self._numbers = 0
        self._group: anyio.abc.TaskGroup | None = None

    async def serve(self) -> None:
        """Speak to the limits until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            for desk in self._desks.values():
                group.start_soon(self._speak, desk)
            await anyio.sleep_forever()

    def enter(self, pool: PoolPort, job: Job) -> None:
        """Have the attempt wait for a slot; one whose limit cannot be told has failed."""
        step, care = job.call.step, job.care
        limit = step.rules.limit
        if limit is None or care is None:
            pool.admit(job)
            return
        try:
            stream = limit.stream(job.stream, *step.arguments.split(job.call.arguments))
        except Invalid as unfit:
            pool.fail(job, pool.clock.now(), unfit)
            return
        desk = self._desks.get(stream)
        if desk is None:
            desk = self._desks[stream] = Desk(pool, stream, limit.bounds, self._node)
            if self._group is not None:
                self._group.start_soon(self._speak, desk)
        self._numbers += 1
        desk.bounds = limit.bounds
        care.turn = Turn(desk, job, Asking(self._numbers, f"{job.stream} {job.id}"))
        desk.enter(care.turn)

    def given(self, stream: str, state: State) -> None:
        """The limit's actor, which is on this node, tells who has a slot."""
        desk = self._desks.get(stream)
        if desk is not None:
            desk.is_near = True
            desk.give(place.number for place in state.held.values() if place.node == self._node)

    async def _speak(self, desk: Desk) -> None:
        """Report to one limit for as long as it is needed."""
        renew_at, failures = 0.0, 0
        while desk.needed:
            now = anyio.current_time()
            whole = desk.unsure or now >= renew_at
            desk.is_near = False
            try:
                held: tuple[int, ...] = await self._ask(desk.stream, desk.report(whole=whole))
            except PerdureError as away:
                failures += 1
                desk.unsure = True
                level = logging.WARNING if failures == 1 and not desk.pool.stopping else logging.DEBUG
                logger.log(level, "%s does not answer: %r", desk.stream, away)
                await anyio.sleep(backoff(failures, first=0.01, longest=LONGEST_PAUSE))
            else:
                failures, desk.unsure = 0, False
                renew_at = now + RENEWED_EVERY if whole else renew_at
                desk.give(held)
                await desk.news(renew_at)
            desk.end_late()
        del self._desks[desk.stream]
