"""The performer: what a run's facts want done, handed to the pool and the alarm; and who waits for a run's end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio

from ...actors.mailbox import Promise
from ...actors.ports import Bell, Clock
from ...eventlog.errors import Bug, Unavailable
from ..authoring.effects import StepCall
from ..run.commands import StepBroke
from ..run.events import StepCompleted
from ..run.performing import Standing
from .alarm import Alarm
from .pool import Pool

OUTCOMES = (StepCompleted, StepBroke)


class Performer:
    """Stands between the decider of runs, which must not know tasks, and the pool and the alarm, which must not know runs."""

    def __init__(self, clock: Clock, bell: Callable[[], Bell] = anyio.Event) -> None:
        self._bell = bell
        self._clock = clock
        self._pool: Pool | None = None
        self._alarm: Alarm | None = None
        self._mail: Callable[[str], Sequence[Any]] = lambda stream: ()
        self._waiting: dict[str, list[Promise]] = {}

    def connect(self, pool: Pool, alarm: Alarm, mail: Callable[[str], Sequence[Any]]) -> None:
        self._pool, self._alarm, self._mail = pool, alarm, mail
        self.start = pool.start  # type: ignore[method-assign]  # straight there: it is called for every step

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        self._connected().start(stream, id, attempt, call)

    def start_again(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        if not any(type(told) in OUTCOMES and told.id == id and told.attempt == attempt for told in self._mail(stream)):
            self.start(stream, id, attempt, call)

    def cancel(self, stream: str, id: str) -> None:
        self._connected().cancel(stream, id)

    def lost(self, stream: str) -> None:
        self._connected().lose(stream)
        for promise in self._waiting.pop(stream, ()):
            promise.breaks(Unavailable("another node owns the run now", who=stream, instead="ask again: the request goes to its owner"))

    def wake_at(self, stream: str, due: int) -> None:
        if self._alarm is not None:
            self._alarm.wake_at(stream, due)

    def time(self) -> int:
        return self._clock.now()

    def ended(self, stream: str, standing: Standing) -> None:
        for promise in self._waiting.pop(stream, ()):
            promise.keep(standing)

    def end(self) -> None:
        """This node ends: who waits here for the end of a run is told so."""
        for stream, promises in self._waiting.items():
            for promise in promises:
                instead = "ask again: the run goes on once a node serves it"
                promise.breaks(Unavailable("this node ended before the run", who=stream, instead=instead))
        self._waiting.clear()

    @contextmanager
    def awaiting(self, stream: str) -> Generator[Promise]:
        """A promise of how the run ends, kept from now on."""
        promise = Promise(self._bell)
        self._waiting.setdefault(stream, []).append(promise)
        try:
            yield promise
        finally:
            waiting = self._waiting.get(stream, [])
            if promise in waiting:
                waiting.remove(promise)
            if not waiting:
                self._waiting.pop(stream, None)

    def _connected(self) -> Pool:
        if self._pool is None:
            raise Bug("the performer is not connected to a pool", who="Performer")
        return self._pool
