"""Ownership in the simulation: partitions of the streams, claimed by compare-and-append on fence streams in the same log.

A claim is an event with the next epoch; a release is one of nobody, with the same epoch. A node goes on believing in what
it holds until it reads that another has claimed it: only the log's own checks keep such a zombie from doing harm, which is
what the simulation is to show.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from random import Random

import anyio

from ...eventlog.codec import Codec, Event
from ...eventlog.errors import Conflict, PerdureError
from ...eventlog.log import Log
from ...eventlog.records import EMPTY, Record, Tail, sealed
from ...eventlog.streams import partition_of

PARTITIONS = 4


class Claimed(Event, frozen=True):
    """`owner` owns the partition from now on, under `epoch`; nobody does where it is empty."""

    owner: str
    epoch: int


CODEC: Codec[Claimed] = Codec("fence", Claimed)


def fence_of(partition: int) -> str:
    return f"fence/sim/{partition}"


def claims_of(records: Sequence[Record]) -> list[Claimed]:
    return [event for record in records for event in CODEC.decode(record.data).events]


class Fences:
    """What one node believes of who owns what; `serve` learns and claims."""

    def __init__(
        self,
        owner: str,
        log: Log,
        dice: Random,
        *,
        now: Callable[[], int],
        seems_alive: Callable[[str], bool],
        pulse: Callable[[str], None],
        won: Callable[[int], None],
        lost: Callable[[int], None],
        longest: float,
    ) -> None:
        self.owner = owner
        self._log = log
        self._dice = dice
        self._now = now
        self._seems_alive = seems_alive
        self._pulse = pulse
        self._won = won
        self._lost = lost
        self._longest = longest
        self._last: dict[int, tuple[Claimed, Tail]] = {}
        self.held: dict[int, int] = {}
        self.leaving = False
        """Whether the node ends, so that it claims nothing more."""
        self._ever: dict[int, int] = {}
        """The last epoch of each partition that it ever held."""

    def epoch(self, stream: str) -> int | None:
        return self.held.get(partition_of(stream, PARTITIONS))

    def last_epoch(self, stream: str) -> int | None:
        """That under which it owns the stream, or last did: what it had begun to do may be done a little later."""
        return self._ever.get(partition_of(stream, PARTITIONS))

    # -- what is handed over -------------------------------------------------------------------------------------------

    def part_of(self, stream: str) -> int:
        return partition_of(stream, PARTITIONS)

    async def prepare(self, parts: Collection[int]) -> None:
        """Nothing is written behind here."""

    def disown(self, parts: Collection[int]) -> None:
        for partition in sorted(parts):
            self.held.pop(partition, None)

    async def release(self, parts: Collection[int]) -> None:
        """Let others have these; one that could not be released is claimed again, by whoever comes first."""
        for partition in sorted(parts):
            claimed, tail = self._last[partition]
            if claimed.owner == self.owner and partition not in self.held:
                await self._write(partition, tail, Claimed("", claimed.epoch))

    # -- who owns what -------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Learn who owns what, and claim what nobody living owns, one partition a round, until cancelled."""
        pause = 0.5
        while True:
            pause = min(2 * pause, self._longest)
            try:
                await self.learn()
                self._pulse(self.owner)
                free = [partition for partition in range(PARTITIONS) if self._is_free(partition) and not self.leaving]
                if free:
                    pause = 0.5
                    await self.claim(self._dice.choice(free))
            except PerdureError:
                pause = 0.5  # the log is away for a moment
            await anyio.sleep(pause * (0.5 + self._dice.random()))

    async def learn(self) -> None:
        """Read the claims that others made."""
        after = {fence_of(partition): self._tail(partition).version for partition in range(PARTITIONS)}
        records = await self._log.load(after)
        for partition in range(PARTITIONS):
            found = records.get(fence_of(partition), ())
            if found:
                self._note(partition, claims_of(found)[-1], found[-1].tail)

    async def claim(self, partition: int) -> bool:
        """Try to become the owner; False where somebody else was first."""
        epoch = self._last[partition][0].epoch + 1 if partition in self._last else 1
        if await self._write(partition, self._tail(partition), Claimed(self.owner, epoch)):
            self.held[partition] = self._ever[partition] = epoch
            self._won(partition)
            return True
        return False

    async def _write(self, partition: int, tail: Tail, claimed: Claimed) -> bool:
        (answer,) = await self._log.append([sealed(fence_of(partition), tail, CODEC.encode(self._now(), claimed.epoch, [claimed]), 1)])
        if isinstance(answer, Conflict):
            await self.learn()
            return False
        self._note(partition, claimed, answer)
        return self._last[partition][0] == claimed

    def _note(self, partition: int, claimed: Claimed, tail: Tail) -> None:
        if partition in self._last and claimed.epoch < self._last[partition][0].epoch:
            return  # the answer to a claim came so late that a newer one had been read by then
        self._last[partition] = claimed, tail
        if partition in self.held and claimed != Claimed(self.owner, self.held[partition]):
            del self.held[partition]
            self._lost(partition)

    def _tail(self, partition: int) -> Tail:
        return self._last[partition][1] if partition in self._last else EMPTY

    def _is_free(self, partition: int) -> bool:
        last = self._last.get(partition)
        if last is None or last[0].owner == self.owner:
            return last is None or partition not in self.held
        return not self._seems_alive(last[0].owner)
