"""Ownership: which partitions this worker has, and how they come and go while it serves.

Every worker knows who lives (presence) and who has what (fences), computes who should have what (sharing), claims what it
should have and nobody living has, and hands over what it should not. Nobody leads, and nobody has to agree: a claim is a
compare-and-append, and a wrong belief costs a move.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

import anyio
import msgspec

from ....eventlog.errors import PerdureError, Unavailable
from ....runtime.perform.handing import HAND_OVER_SECONDS, Handing, Handover
from ....runtime.perform.job import Job
from ..wire.lasting import lasting
from .fences import Fence, Fences
from .presence import SURE_SECONDS, Presence
from .sharing import shares

logger = logging.getLogger("perdure.nats")

LOOKS_EVERY = 0.25
SETTLE_SECONDS = 30.0

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before partitions that could not be taken are claimed again: a damaged log is not healed by claims, and each is a new epoch."""

GRACE_SECONDS = 2.0
"""What a leaving worker gives its last releases beyond the time that its steps have."""

HEARD_SECONDS = 0.5
"""So long after a majority was reached again, all who could have claimed something were heard: a beat names the newest fence."""

AWAKE_SECONDS = 0.5
"""A process that was stopped, or had no link, begins no turn for so long after, unless it is sure before."""

LOOK_SECONDS = 0.02

LISTENS_FIRST = 0.05
"""Seconds that a worker which has just come listens before it claims anything: who was there has answered by then."""


class Keeping(Protocol):
    """What a carrier keeps of the partitions that this worker owns."""

    async def begin(self, fences: Sequence[Fence], *, after: Sequence[Fence] = ()) -> None:
        """These are ours now: be able to serve them. `after` are their fences as they were found."""
        ...

    async def fill(self, partitions: Iterable[int]) -> None:
        """Know what is due in these, which have begun."""
        ...

    async def flush(self) -> None:
        """Write down what is known, so that there is little left to write when partitions go."""
        ...

    async def let_go(self, partitions: Iterable[int]) -> None:
        """These are about to be released: return once nothing of ours is under way to them."""
        ...

    def drop(self, partitions: Iterable[int]) -> None:
        """These are another's."""
        ...


class Partitions:
    """Ownership as the actors' port asks for it, parts as a handover moves them, and owners as neighbours look for them."""

    def __init__(self, fences: Fences, presence: Presence, keeping: Keeping, *, hand_over_seconds: float = HAND_OVER_SECONDS) -> None:
        self.owner = self.here = presence.worker
        self.fences = fences
        self.presence = presence
        self.keeping = keeping
        self.served: dict[int, int] = {}
        """The partitions that are decided here, and under which epoch."""
        self.problem: PerdureError | None = None
        """Why partitions could not be taken or released the last time that this was so."""
        self.takeovers = self.claims = self.releases = 0
        self._subjects = fences.store.subjects
        self._addresses, self._count = self._subjects.addresses, self._subjects.partitions
        self._known = [Fence(partition) for partition in range(self._count)]
        self._read = 0
        """The sequence up to which all fences have been read; of our own, newer ones may be known."""
        self._moving: set[int] = set()
        """Partitions that are being claimed or released right now."""
        self._pause, self._claims_from = FIRST_PAUSE, 0.0
        """How long to wait after the next claim that comes to nothing, and until when now."""
        self._hand_over_seconds = hand_over_seconds
        self._news = asyncio.Event()
        self._settled = False
        self._sure_until = 0.0
        self._beaten = 0.0
        """When the newest beat that was acknowledged was sent."""
        self._reached_from = 0.0
        """Since when acknowledgements have come without a gap."""
        self._sure = asyncio.Event()
        self._runtime: Handing | None = None
        self._handover: Handover | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        presence.changed = self._news.set
        presence.acknowledged = self._acknowledged

    # -- what others ask -----------------------------------------------------------------------------------------------

    def epoch(self, stream: str) -> int | None:
        return self.served.get(self._addresses[stream].partition)

    def owner_of(self, stream: str) -> str | None:
        """The worker that owns a stream; None where nobody does at present, or where this one is about to."""
        partition = self._subjects.partition_of(stream)
        owner = self._known[partition].owner
        serves = partition in self.served if owner == self.owner else self.presence.is_alive(owner)
        return owner if serves else None

    def part_of(self, stream: str) -> int:
        return self._subjects.partition_of(stream)

    async def prepare(self, parts: Collection[int]) -> None:
        await self.keeping.flush()

    def disown(self, parts: Collection[int]) -> None:
        for partition in parts:
            self.served.pop(partition, None)
        self._moving.update(parts)

    async def release(self, parts: Collection[int]) -> None:
        """Let others have these at once."""
        try:
            await self.keeping.let_go(parts)
            released = await self.fences.release_all([self._known[partition] for partition in sorted(parts)])
            self.learnt(fence for fence in released if fence is not None)
            self.releases += len(parts)
        finally:
            self._moving.difference_update(parts)
            self.presence.beat()
            self._news.set()

    # -- whether to trust in it ----------------------------------------------------------------------------------------

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken this worker for dead yet. Read off the clock: a process that was stopped knows it at once."""
        return time.monotonic() < self._sure_until

    async def until_sure(self) -> None:
        """Where this is doubtful, wait until the fences were read anew."""
        while not self.is_sure:
            self._sure.clear()
            await self._sure.wait()

    async def before_a_turn(self) -> None:
        """The gate of a dispatcher. The log decides what a turn may write, so it may be doubtful, but not asleep or without a link.

        Otherwise all commands would wait for a leader of the beats, and of the fences, when that of the log has long been elected.
        """
        while not self.is_sure and self.presence.stands_for < AWAKE_SECONDS:
            self._sure.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._sure.wait()

    def before_an_attempt(self, job: Job) -> Coroutine[Any, Any, None] | None:
        """The gate of a pool: nothing begins in doubt, and nothing of a stream that another owns."""
        is_sure = time.monotonic() < self._sure_until  # each step passes here
        return None if is_sure and self._addresses[job.stream].partition in self.served else self._until_allowed(job)

    async def _until_allowed(self, job: Job) -> None:
        await self.until_sure()
        if self.epoch(job.stream) is None and self._runtime is not None:
            self._runtime.pool.lose(job.stream)
            await asyncio.Event().wait()  # it has been cancelled

    def _acknowledged(self, sent: float) -> None:
        if sent > self._beaten + SURE_SECONDS:
            self._reached_from = time.monotonic()
        self._beaten = max(self._beaten, sent)
        if self.is_sure:
            self._sure_until = self._beaten + SURE_SECONDS
        else:
            self._news.set()

    # -- life ----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self, runtime: Handing) -> AsyncGenerator[None]:
        """Take part in serving the log until the end of the block; then hand over everything, and say goodbye."""
        self._runtime, self._handover = runtime, Handover(runtime, self, seconds=self._hand_over_seconds)
        runtime.dispatcher.gate, runtime.pool.gate = self.before_a_turn, self.before_an_attempt
        await self.presence.open()
        services = [asyncio.create_task(lasting(service)) for service in (self.presence.serve, self._handover.serve, self._rule)]
        try:
            await self._until_settled()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._leave()
                finally:
                    for task in (*services, *self._tasks):
                        task.cancel()
                    await asyncio.gather(*services, *self._tasks, return_exceptions=True)

    async def _until_settled(self) -> None:
        """Return once this worker serves what it could claim at first; raises what kept it from that."""
        clock = time.monotonic
        deadline = clock() + SETTLE_SECONDS
        while not self._settled or self._moving:
            if (problem := self.problem or self.presence.refused) is not None:
                raise problem
            if clock() > deadline:
                raise Unavailable(
                    "this worker cannot take part in serving the log", who=self.owner, where=self._subjects.bucket_of("ALIVE"),
                    expected=f"an acknowledged beat within {SETTLE_SECONDS:g} s, and to hear it", found="none",
                    instead="see whether JetStream has a leader for this stream, then start the worker again",
                )  # fmt: skip
            await asyncio.sleep(0.005)
        if self.problem is not None and not self.served:
            raise self.problem

    async def _leave(self) -> None:
        """Hand over everything; what cannot be released is left to those who find this worker gone."""
        self.presence.leaves = True
        self.presence.beat()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._hand_over_seconds + GRACE_SECONDS):
                while self._handover is not None and (self.served or self._moving or self._stray()):
                    self._handover.begin(set(self.served))
                    await asyncio.sleep(0.005)
        await self.presence.say_goodbye()

    async def _rule(self) -> None:
        """Look at what should be whose whenever there is news, until cancelled."""
        await self._learn()
        self.presence.expect(fence.owner for fence in self._known)
        await asyncio.sleep(LISTENS_FIRST)
        if len(self.presence.alive()) > 1:
            await self._look_back()
        while True:
            self._news.clear()
            try:
                await self._learn()
                self._share()
                self._settled = self._settled or (self.is_sure and self.presence.hears and not self.presence.awaits)
            except PerdureError as away:
                self.problem = away
                logger.warning("who owns what cannot be read: %s", away.found)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOKS_EVERY):
                    await self._news.wait()

    async def _look_back(self) -> None:
        """Some who own something may have ended before we came: the beats that the server keeps tell since when they are silent."""
        kept: dict[str, datetime] = {}
        with suppress(TimeoutError, PerdureError):  # then they are waited for as if they had been here a moment ago
            async with asyncio.timeout(LOOKS_EVERY):
                for message in await self.fences.store.everything("ALIVE", self._subjects.tree("alive")):
                    kept[message.subject.rpartition(".")[2]] = msgspec.convert(message.headers["Nats-Time-Stamp"], datetime)
        for worker, at in kept.items() if self.owner in kept else ():
            self.presence.missed(worker, (kept[self.owner] - at).total_seconds())

    async def _learn(self) -> None:
        """Read what is new of the fences, after a doubt all there is; whoever has read may trust in it again."""
        beaten, doubted, is_whole = self._beaten, not self.is_sure, True
        if doubted or self.presence.is_behind or self.presence.fences > self._read:
            self.presence.is_behind = False
            found, is_whole = await self._since()
            self.presence.is_behind |= not is_whole
            self._read = max([self._read, *(fence.sequence for fence in found)])
            self.learnt(found)
        if doubted and is_whole and beaten + SURE_SECONDS > time.monotonic():
            self._sure_until = max(self._sure_until, beaten + SURE_SECONDS)
            self._sure.set()

    async def _since(self) -> tuple[list[Fence], bool]:
        """What is new of the fences, and whether that is all: from their leader, or, where that does not answer, from a replica.

        A replica may lag behind; but once all have been heard, which the leader is given the time for, it is known whether there is a
        newer fence than it has.
        """
        left = self._reached_from + HEARD_SECONDS - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(left if left > 0 else HEARD_SECONDS):
                return await self.fences.since(self._read), True
        found = await self.fences.seen_since(self._read)
        newest = max([self._read, *(fence.sequence for fence in found)])
        return found, self.presence.fences <= newest

    def learnt(self, fences: Iterable[Fence]) -> None:
        """Know these; what others have taken of ours is lost."""
        for fence in fences:
            if fence.sequence > self._known[fence.partition].sequence:
                self._known[fence.partition] = fence
        self.presence.fences = max(self.presence.fences, *(fence.sequence for fence in self._known))
        lost = {partition for partition, epoch in self.served.items() if self._is_taken(self._known[partition], epoch)}
        for partition in lost:
            del self.served[partition]
        if lost:
            self._begin(self._lose(lost))

    def _is_taken(self, fence: Fence, epoch: int) -> bool:
        return fence.owner != self.owner or fence.epoch != epoch

    # -- who should have what ------------------------------------------------------------------------------------------

    def _share(self) -> None:
        """Claim what this worker should have and nobody living has; hand over what another should have."""
        if not self.is_sure or not self.presence.hears or self._handover is None:
            return
        alive = self.presence.alive()
        wanted = shares(self.presence.taking(), {fence.partition: fence.owner for fence in self._known}, self._count)
        others = alive - {self.owner}
        mine = {partition for partition, worker in wanted.items() if worker == self.owner}
        free = {partition for partition in mine if partition not in self.served and self._known[partition].owner not in others}
        if (claimable := sorted(free - self._moving)) and time.monotonic() >= self._claims_from:
            self._moving.update(claimable)
            self._begin(self._take(claimable))
        if stray := self._stray() - mine:
            self._moving.update(stray)
            self._begin(self.release(stray))
        if wanted:
            self._handover.begin(self.served.keys() - mine)

    def _stray(self) -> set[int]:
        """Partitions that are ours by their fence, and that nobody serves: something went wrong half-way."""
        ours = {fence.partition for fence in self._known if fence.owner == self.owner}
        return ours - self.served.keys() - self._moving

    async def _take(self, partitions: Collection[int]) -> None:
        """Claim these all at once; what is won is served from then on."""
        try:
            before = [self._known[partition] for partition in partitions]
            claimed = await self.fences.claim_all(before, self.owner)
            won = [fence for fence in claimed if fence is not None]
            self.learnt(won)
            self.presence.beat()
            await self.keeping.begin(won, after=before)
            self.served |= {fence.partition: fence.epoch for fence in won if not self._is_taken(self._known[fence.partition], fence.epoch)}
            if self._handover is not None:
                self._handover.win([fence.partition for fence in won])
            self.claims += len(won)
            won_from = {found.partition: found.owner for found in before}
            self.takeovers += sum(won_from[fence.partition] not in {"", self.owner} for fence in won)
            self._pause = FIRST_PAUSE
            if len(won) < len(claimed):
                self.presence.is_behind = True  # somebody was faster
        except PerdureError:
            self._claims_from, self._pause = time.monotonic() + self._pause, min(2 * self._pause, LONGEST_PAUSE)
            raise
        finally:
            self._moving.difference_update(partitions)
            self._news.set()
        if self._runtime is not None and won:
            logger.info("%s has %d partitions, %d of them new", self.owner, len(self.served), len(won))
            await self.keeping.fill(fence.partition for fence in won)
            await self._runtime.won()

    async def _lose(self, lost: set[int]) -> None:
        """Others have taken these."""
        logger.warning("%s has lost %d partitions to others", self.owner, len(lost))
        if self._handover is not None:
            self._handover.lose(lost)
        self.keeping.drop(lost)
        if self._runtime is not None:
            await self._runtime.lost(lambda stream: self.part_of(stream) in lost)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside everything else; what fails is seen at the next look."""
        task = asyncio.create_task(self._tried(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tried(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except PerdureError as problem:
            self.problem = problem
            logger.warning("partitions could not be moved: %s", problem)
