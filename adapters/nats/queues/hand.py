"""What a queue worker has in hand: orders from their delivery until what became of them is known to their runs.

A message is acknowledged when its run has judged the outcome, or does not want it any more. Until then signs of life keep it
in hand; whoever is lost with it gives none, so it is handed out again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import msgspec
from msgspec import Struct

from ....actors.ports import Clock
from ....eventlog.errors import Invalid, PerdureError, TooLarge, Unavailable
from ....runtime.authoring.effects import StepCall
from ....runtime.authoring.errors import Failure, failure_of
from ....runtime.perform.elsewhere import Order
from ....runtime.perform.queueing import TRIES, Asked, Taking, Verdict
from ....runtime.requests import Declined
from ....runtime.run.commands import StepBroke
from ....runtime.run.events import StepHeartbeat
from ....runtime.step_worker import StepWorker
from ..doors.dead_letters import bury
from ..wire.buckets import DEAD
from ..wire.pulling import AGAIN, AT_WORK, DONE, Delivery, say
from ..wire.store import Store
from .orders import decode, name_of
from .reports import FIRST_PAUSE, LONGEST_PAUSE, Reports

logger = logging.getLogger("perdure.nats")

CONFIRMED_EVERY = 10.0
"""Seconds between two questions whether what is performed is still wanted."""

LATER_SECONDS = 5.0
"""After so long an order is handed out again that could not be begun."""

BURIALS = 10
"""So often an order that is poison is offered to the dead letters, which may be away for a while, before its run is told without."""

POISON = "Poison"


class Entry(Struct, eq=False):
    """An order in hand."""

    delivery: Delivery
    order: Order
    started: int
    begun: bool = False
    told: bool = False
    """It has ended, and its run is being told how."""


class Hand:
    """Orders in hand, by the names of their attempts. At most so many as the worker performs at once."""

    def __init__(self, store: Store, reports: Reports, clock: Clock, name: str, *, ack_seconds: float) -> None:
        self.entries: dict[str, Entry] = {}
        self.worker: StepWorker
        self._store = store
        self._reports = reports
        self._clock = clock
        self._name = name
        self._signs_every = ack_seconds / 3
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()
        self._closing = False

    async def room(self) -> int:
        """Wait until there is room; for how many."""
        while (free := self.worker.settings.worker_concurrency - len(self.entries)) <= 0 or self._closing:
            self._left.clear()
            await self._left.wait()
        return free

    # -- what comes in -------------------------------------------------------------------------------------------------

    async def take(self, delivery: Delivery) -> None:
        """Perform an order, if that is wanted. What there is no room for goes back at once."""
        try:
            order = decode(delivery.data)
        except (msgspec.MsgspecError, ValueError) as error:
            strange = Invalid("a message in a task queue is no order", who=delivery.subject, found=str(error),
                              instead="let nothing but perdure publish below this subject")
            await say(self._store.connection, delivery, DONE if await self._is_buried(delivery, strange) else later())
            return
        known = self.entries.get(name_of(order))
        if known is not None:
            known.delivery = delivery
        elif self._closing or len(self.entries) >= self.worker.settings.worker_concurrency:
            await say(self._store.connection, delivery, AGAIN)
        else:
            entry = self.entries[name_of(order)] = Entry(delivery, order, self._clock.now())
            self._begin(self._handle(entry))

    def stop(self, name: str) -> None:
        """The run no longer wants the attempt of this name."""
        entry = self.entries.get(name)
        if entry is not None and entry.begun and not entry.told:
            self.worker.cancel(entry.order)

    def tell(self, stream: str, command: Any) -> None:
        """What the step worker has to say to a run of one of its attempts."""
        if isinstance(command, StepHeartbeat):
            self._begin(self._mention(stream, command))
            return
        for entry in self.entries.values():
            order = entry.order
            if (order.stream, order.id, order.attempt) == (stream, command.id, command.attempt):
                entry.told = True
                self._begin(self._end(entry, command))
                return

    # -- what goes out -------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Give signs of life, and see to it that nothing is performed in vain, until cancelled."""
        confirm_at = asyncio.get_running_loop().time() + CONFIRMED_EVERY
        while True:
            await asyncio.sleep(self._signs_every)
            for entry in tuple(self.entries.values()):
                await say(self._store.connection, entry.delivery, AT_WORK)
            if asyncio.get_running_loop().time() >= confirm_at:
                confirm_at += CONFIRMED_EVERY
                for name, entry in tuple(self.entries.items()):
                    if entry.begun and not entry.told:
                        self._begin(self._confirm(name, entry))
            for entry in tuple(self.entries.values()):
                if entry.begun and not entry.told and not self.worker.performs(entry.order) and not self._closing:
                    await self._drop(entry, AGAIN)  # it was cancelled before it began; nobody has told of it

    async def close(self) -> None:
        """Take nothing more, let what runs end in its time, and hand the rest back at once."""
        self._closing = True
        await self.worker.drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.worker.settings.actors.ask_seconds)
        await asyncio.gather(*map(self._hand_back, tuple(self.entries.values())))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _hand_back(self, entry: Entry) -> None:
        if entry.begun and not entry.told:
            await self._asked(entry, "handed back")
        await say(self._store.connection, entry.delivery, AGAIN)

    async def _handle(self, entry: Entry) -> None:
        """Ask what to do with an order, and do it."""
        call: StepCall[Any] | None = None
        try:
            call = await self.worker.call_of(entry.order)
        except Invalid as strange:
            logger.warning("an order of queue %r is not understood here: %s", entry.order.queue, strange)
        except PerdureError as away:
            logger.warning("an order of queue %r waits: %s", entry.order.queue, away)
            await self._hand_over_later(entry)
            return
        verdict = await self._asked(entry, "begin" if call is not None else "not understood", insists=True)
        match verdict.word:
            case "begin" if call is not None:
                entry.begun = True  # one that comes while we leave is handed back with the others
                self.worker.begin(entry.order, call, verdict.before)
            case "unwanted":
                await self._drop(entry, DONE)
            case "poison":
                await self._give_up(entry)
            case _:
                await self._hand_over_later(entry)

    async def _asked(self, entry: Entry, asks: Asked, *, insists: bool = False) -> Verdict:
        """What the run's owner says; where nobody says anything: later.

        Who wants to begin insists: an answer that was lost may have been that it does.
        """
        order, pause = entry.order, FIRST_PAUSE
        taking = Taking(order.stream, order.id, order.attempt, order.keys, self._name, entry.started, asks)
        while True:
            try:
                return await self._reports.verdict(taking)
            except Unavailable as away:
                logger.debug("nobody says whether step %s of %s is wanted: %s", order.id, order.stream, away)
            except PerdureError as refused:
                logger.warning("step %s of %s is not begun: %s", order.id, order.stream, refused)
                return Verdict("later")
            if not insists or self._closing:
                return Verdict("later")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _confirm(self, name: str, entry: Entry) -> None:
        if (await self._asked(entry, "go on")).word == "unwanted":
            self.stop(name)

    async def _mention(self, stream: str, command: StepHeartbeat) -> None:
        try:
            await self._reports.tell(stream, command)
        except PerdureError as lost:  # the next one says more
            logger.debug("a heartbeat of step %s of %s is lost: %s", command.id, stream, lost)

    async def _end(self, entry: Entry, outcome: Any) -> None:
        order = entry.order
        refused = await self._reports.insist(order.stream, outcome)
        if isinstance(refused, TooLarge):
            failure, now = failure_of(refused), self._clock.now()
            await self._reports.insist(order.stream, StepBroke(order.id, order.attempt, failure, entry.started, now, self._name, None))
        await self._drop(entry, DONE)

    async def _give_up(self, entry: Entry) -> None:
        """The order is poison: it lies with the dead letters, and its run gets a failure that says so."""
        entry.told = True
        order, now = entry.order, self._clock.now()
        why = f"the order was given to {TRIES} workers of queue {order.queue!r}, and each was lost with it or did not understand it"
        dead = Unavailable("an order is poison", who=f"run {order.stream!r}", where=f"step {order.step!r}", expected="an outcome",
                           found=why, instead="see what it does to its workers; retry the run once that is mended")
        for _ in range(BURIALS):
            if await self._is_buried(entry.delivery, dead):
                break
            await asyncio.sleep(LATER_SECONDS)
        else:  # its run is told all the same
            logger.error("nats: a dead letter of %s is lost", entry.delivery.subject)
        broke = StepBroke(order.id, order.attempt, Failure(POISON, why), entry.started, now, self._name, None)
        await self._end(entry, broke)

    async def _is_buried(self, delivery: Delivery, why: PerdureError) -> bool:
        """Whether the message lies with the dead letters by now; while these cannot be reached it does not."""
        place = delivery.subject.removeprefix(f"perdure.{self._store.subjects.namespace}.").rpartition(".")[0]
        dead = f"perdure.{self._store.subjects.namespace}.{DEAD.tree}.{place}"
        try:
            await bury(self._store, delivery, Declined.of(why), dead, f"{delivery.subject}/{delivery.sequence}")
        except PerdureError as away:
            logger.warning("nats: a dead letter of %s waits: %s", delivery.subject, away)
            return False
        return True

    async def _drop(self, entry: Entry, word: bytes) -> None:
        await say(self._store.connection, entry.delivery, word)
        self.entries.pop(name_of(entry.order), None)
        self._left.set()

    async def _hand_over_later(self, entry: Entry) -> None:
        await self._drop(entry, later())

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def later() -> bytes:
    """The word that has an order handed out again after a while."""
    return AGAIN + b" " + json.dumps({"delay": round(LATER_SECONDS * 1e9)}).encode()
