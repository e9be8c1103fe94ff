"""The performer: what a run's facts want done, handed to the pool and the alarm; and who waits for a run's end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import anyio

from ...actors.mailbox import Promise
from ...actors.ports import Bell, Clock
from ...eventlog.errors import Bug, Refused, Unavailable
from ..authoring.effects import StepCall
from ..logs import speak
from ..run.admitting import answer_to
from ..run.commands import StepBroke
from ..run.errands import Errand, key_of_end, key_of_word
from ..run.events import (
    Attached,
    ChildEnded,
    ChildHeard,
    ChildReleased,
    ChildStarted,
    EndAnnounced,
    StepCompleted,
    StepDeferred,
    Unwatched,
)
from ..run.performing import Standing
from ..run.state import Update
from ..run.waiting import name_of
from .alarm import Alarm
from .courier import Courier
from .pool import Pool
from .retaining import Retaining

OUTCOMES = (StepCompleted, StepBroke, StepDeferred)
ANSWERS = (ChildStarted, Attached, ChildEnded, ChildReleased)
"""What answers an errand of a run to another; whoever was told of its end is `Unwatched`."""


class Performer:
    """Stands between the decider of runs, which must not know tasks, and the pool and the alarm, which must not know runs."""

    def __init__(self, clock: Clock, bell: Callable[[], Bell] = anyio.Event) -> None:
        self._bell = bell
        self._clock = clock
        self._pool: Pool | None = None
        self._alarm: Alarm | None = None
        self._courier: Courier | None = None
        self._retaining: Retaining | None = None
        self._mail: Callable[[str], Sequence[Any]] = lambda stream: ()
        self._waiting: dict[str, list[Promise]] = {}
        self._asking: dict[str, list[tuple[str, Promise]]] = {}
        """Who waits for the answer to an update, with its command."""

    def connect(self, pool: Pool, alarm: Alarm, courier: Courier, retaining: Retaining, mail: Callable[[str], Sequence[Any]]) -> None:
        self._pool, self._alarm, self._courier, self._retaining, self._mail = pool, alarm, courier, retaining, mail
        self.start = pool.start  # type: ignore[method-assign]  # straight there: it is called for every step

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        self._connected().start(stream, id, attempt, call)

    def start_again(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        if not any(type(told) in OUTCOMES and told.id == id and told.attempt == attempt for told in self._mail(stream)):
            self.start(stream, id, attempt, call)

    def stand_still(self, leaves: Callable[[str], bool] | None) -> None:
        """Begin no step of the runs that leave this node, from now on; with None, of any run again."""
        pool = self._connected()

        def start_unless(stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
            if leaves is None or not leaves(stream):
                pool.start(stream, id, attempt, call)

        self.start = pool.start if leaves is None else start_unless  # type: ignore[method-assign]
        if leaves is not None:
            pool.take_back(leaves)

    def cancel(self, stream: str, id: str) -> None:
        self._connected().cancel(stream, id)

    def hold(self, stream: str, ids: Iterable[str]) -> Mapping[str, StepCall[Any]]:
        return self._connected().hold(stream, ids)

    def carry(self, stream: str, errands: Iterable[Errand]) -> None:
        courier = self._courier
        if courier is None:
            raise Bug("the performer is not connected to a courier", who="Performer")
        waiting = [errand for errand in errands if not courier.carries(errand)]
        if not waiting:
            return
        mail = self._mail(stream)
        answered = {name_of(stream, told.id, told.since) for told in mail if isinstance(told, ANSWERS)}
        answered |= {told.by for told in mail if isinstance(told, Unwatched)}
        answered |= {key_of_end(stream, told.end) for told in mail if isinstance(told, EndAnnounced)}
        answered |= {key_of_word(stream, told.id, told.word) for told in mail if isinstance(told, ChildHeard)}
        for errand in waiting:
            if errand.key not in answered:
                courier.send(errand)

    def remove(self, stream: str, release: int) -> None:
        if self._retaining is not None:
            self._retaining.remove(stream, release)

    def lost(self, stream: str) -> None:
        self._connected().lose(stream)
        if self._retaining is not None:
            self._retaining.lose(stream)
        if self._courier is not None:
            self._courier.lose(stream)
        away = Unavailable("another node owns the run now", who=stream, instead="ask again: the request goes to its owner")
        for promise in (*self._waiting.pop(stream, ()), *(promise for _, promise in self._asking.pop(stream, ()))):
            promise.breaks(away)

    def lose(self, is_lost: Callable[[str], bool]) -> None:
        """The same for all runs of which it is so: some have nothing in memory but those who wait for their end."""
        for stream in sorted({*self._waiting, *self._asking, *self._connected().streams()}):
            if is_lost(stream):
                self.lost(stream)

    def wake_at(self, stream: str, due: int) -> None:
        if self._alarm is not None:
            self._alarm.wake_at(stream, due)

    def rest_until(self, stream: str, due: int | None) -> None:
        if self._alarm is not None:
            self._alarm.rest_until(stream, due)

    def time(self) -> int:
        return self._clock.now()

    def ended(self, stream: str, standing: Standing) -> None:
        for promise in self._waiting.pop(stream, ()):
            promise.keep(standing)
        for _, promise in self._asking.pop(stream, ()):
            promise.breaks(Refused("the run ended before it had answered the update", who=stream, expected="an answer before the end",
                                   found=f"it is {standing.status}", instead="look at the run's own result"))

    def said(self, lines: list[Any]) -> None:
        speak(lines)

    def updated(self, stream: str, updates: Mapping[str, Update]) -> None:
        for command, promise in self._asking.get(stream, ()):
            if (update := updates.get(command)) is not None and update.done:
                promise.keep(answer_to(update))

    def end(self) -> None:
        """This node ends: who waits here for the end of a run is told so."""
        waiting = [(stream, promise) for stream, promises in self._waiting.items() for promise in promises]
        asking = [(stream, promise) for stream, asked in self._asking.items() for _, promise in asked]
        instead = "ask again: the run goes on once a node serves it"
        for stream, promise in (*waiting, *asking):
            promise.breaks(Unavailable("this node ended before the run", who=stream, instead=instead))
        self._waiting.clear()
        self._asking.clear()

    def await_end(self, stream: str) -> Promise:
        """A promise of how the run ends, kept from now on; whoever gives up before it does says so with `await_no_more`."""
        promise = Promise(self._bell)
        self._waiting.setdefault(stream, []).append(promise)
        return promise

    def await_no_more(self, stream: str, promise: Promise) -> None:
        waiting = self._waiting.get(stream, [])
        if promise in waiting:
            waiting.remove(promise)
        if not waiting:
            self._waiting.pop(stream, None)

    @contextmanager
    def asking(self, stream: str, command: str) -> Generator[Promise]:
        """A promise of the answer to an update, kept from now on."""
        entry = (command, Promise(self._bell))
        self._asking.setdefault(stream, []).append(entry)
        try:
            yield entry[1]
        finally:
            asking = self._asking.get(stream, [])
            if entry in asking:
                asking.remove(entry)
            if not asking:
                self._asking.pop(stream, None)

    def _connected(self) -> Pool:
        if self._pool is None:
            raise Bug("the performer is not connected to a pool", who="Performer")
        return self._pool
