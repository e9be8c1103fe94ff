"""A memory log with faults: it crashes, loses replies, tears batches, conflicts and dawdles, as a plan says.

A FaultyLog is one client's door to a MemoryLog that others may use through doors of their own. What is planned comes from
a Plan, which is pure: the same plan meets the same appends with the same faults. A door that was cut lets nothing
through any more; a paused one holds every call until it is resumed, wherever the call is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Literal, Protocol, TypeAlias, TypeVar, cast

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct

from .blobs import Blob, Upload
from .errors import Conflict, Unavailable
from .log import Carrier, Cursor, Summary, Version
from .memory import MemoryBlobs, MemoryHeads, MemoryLog, MemorySnapshots
from .records import EMPTY, Append, Record, Tail
from .search import Search
from .snapshots import Snapshot

T = TypeVar("T")

What: TypeAlias = Literal["crash_before", "crash_after", "torn_tail", "lost_reply", "refusal", "conflict", "slow_before", "slow_after"]
"""`crash_after`: if anything was written. `torn_tail`: a crash that leaves only a prefix of the batch. `refusal`: Unavailable,
nothing written. `lost_reply`: written, and Unavailable. `conflict`: somebody else writes to one of the streams first.
`slow_…`: a wait before or after the write."""


class Fault(Struct, frozen=True):
    """What happens to one write: `seconds` of a wait, or the `place` in the batch that a tear or a foreign write strikes."""

    what: What
    seconds: float = 0.0
    place: int = 0


GOES_WELL = Fault("conflict")
"""For a write that is no append: nobody can come before it."""


class Plan(Protocol):
    """Which faults come."""

    def fault(self, number: int, appends: Sequence[Append]) -> Fault | None:
        """What happens to the write with this number, counted from 1; None where all goes well. For a blob `appends` is empty."""
        ...

    def unreadable(self) -> bool:
        """Whether the next read fails."""
        ...


class Script:
    """A plan written down: the number of an append to its fault. Without entries it is the empty plan."""

    def __init__(self, faults: Mapping[int, Fault] | None = None) -> None:
        self.faults = dict(faults or {})

    def fault(self, number: int, appends: Sequence[Append]) -> Fault | None:
        return self.faults.get(number)

    def unreadable(self) -> bool:
        return False


class Dice:
    """A plan by chance: each fault has its rate per append, all drawn from one seeded source. `calm()` ends it."""

    def __init__(self, dice: Random, rates: Mapping[What, float], *, unreadable: float = 0.0, longest: float = 5.0) -> None:
        self._dice = dice
        self._rates = tuple(rates.items())
        self._unreadable = unreadable
        self._longest = longest

    def fault(self, number: int, appends: Sequence[Append]) -> Fault | None:
        for what, rate in self._rates:
            if self._dice.random() < rate and (what != "torn_tail" or len(appends) > 1):
                return Fault(what, self._dice.random() * self._longest, self._dice.randrange(1 << 16))
        return None

    def unreadable(self) -> bool:
        return self._unreadable > 0 and self._dice.random() < self._unreadable

    def calm(self) -> None:
        self._rates, self._unreadable = (), 0.0


Foreign = Callable[[Append], Append | None]
"""The append that somebody else makes right before the given one; None where nobody would."""


def nobody(append: Append) -> None:
    """The foreign writer of a log that has none."""


class FaultyLog:
    """One client's door to a shared MemoryLog. `crashed` is called when the plan crashes the client."""

    def __init__(self, log: MemoryLog, plan: Plan, *, foreign: Foreign = nobody, crashed: Callable[[], None] | None = None) -> None:
        self.log = log
        self.plan = plan
        self.appends = 0
        self.happened: Counter[str] = Counter()
        """How often each fault struck."""
        self._foreign = foreign
        self._crashed = crashed
        self._cut = False
        self._gate: anyio.Event | None = None

    # -- the door itself -----------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Nothing passes any more, not even what is on its way."""
        self._cut = True
        self.resume()

    def pause(self) -> None:
        if self._gate is None and not self._cut:
            self._gate = anyio.Event()

    def resume(self) -> None:
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    async def passing(self) -> None:
        """Wait while the door is paused; Unavailable once it is cut."""
        while self._gate is not None:
            await self._gate.wait()
        if self._cut:
            raise Unavailable("the log is out of reach", who="FaultyLog", found="this client was cut off", instead="open the log anew")

    async def readable(self) -> None:
        """As `passing`; Unavailable, too, where the plan says that this read fails."""
        await checkpoint()
        await self.passing()
        if self.plan.unreadable():
            self.happened["unreadable"] += 1
            raise Unavailable("the log cannot be read right now", who="FaultyLog", instead="read again")

    # -- the log -------------------------------------------------------------------------------------------------------

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        await checkpoint()
        await self.passing()
        self.appends += 1
        fault = self.plan.fault(self.appends, appends)
        if fault is None:
            answers = await self.log.append(appends)
        else:
            answers = await self._with(fault, appends)
        await self.passing()
        return answers

    async def _with(self, fault: Fault, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self.happened[fault.what] += 1
        log, what = self.log, fault.what
        if what == "slow_before":
            await anyio.sleep(fault.seconds)
            await self.passing()
        if what == "conflict":
            await self._interfere(appends, fault.place % len(appends))
        if what == "torn_tail":
            kept = fault.place % len(appends)
            self.happened["torn_tail_with_a_part_kept"] += kept > 0
            await log.append(appends[:kept])
        if what in ("crash_before", "torn_tail"):
            raise self._crash()
        if what == "refusal":
            raise refusal()
        answers = await log.append(appends)
        if what == "crash_after" and not all(isinstance(answer, Conflict) for answer in answers):
            raise self._crash()
        if what == "lost_reply":
            raise lost_reply()
        if what == "slow_after":
            await anyio.sleep(fault.seconds)
        return answers

    async def _interfere(self, appends: Sequence[Append], place: int) -> None:
        append = appends[place]
        foreign = self._foreign(append) if append.expected != EMPTY else None
        if foreign is not None:
            self.happened["foreign_write"] += 1
            await self.log.append([foreign])

    def _crash(self) -> Unavailable:
        self.cut()
        if self._crashed is not None:
            self._crashed()
        return Unavailable("the client of the log crashed", who="FaultyLog", instead="open the log anew")

    async def writing(self, write: Callable[[], Awaitable[T]]) -> T:
        """A write that is no append, under the same plan: it happens whole or not at all, and nobody comes before it."""
        await checkpoint()
        await self.passing()
        self.appends += 1
        fault = self.plan.fault(self.appends, ()) or GOES_WELL
        what = fault.what
        self.happened[what] += fault is not GOES_WELL
        if what == "slow_before":
            await anyio.sleep(fault.seconds)
            await self.passing()
        if what in ("crash_before", "torn_tail"):
            raise self._crash()
        if what == "refusal":
            raise refusal()
        before = self._blobs()
        written = await write()
        if what == "crash_after" and self._blobs() != before:
            raise self._crash()
        if what == "lost_reply":
            raise lost_reply()
        await anyio.sleep(fault.seconds if what == "slow_after" else 0)
        await self.passing()
        return written

    def _blobs(self) -> int:
        return sum(map(len, self.log.blobs.values()))

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        await self.readable()
        return await self.log.load(after)

    def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        return self._through(self.log.read(stream, after=after))

    def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        return self._through(self.log.follow(after=after))

    async def _through(self, records: AsyncIterator[Record]) -> AsyncIterator[Record]:
        """Records on their way through the door, one by one."""
        async with aclosing(cast("AsyncGenerator[Record]", records)):
            async for record in records:
                await self.passing()
                yield record

    def cursor(self, record: Record) -> Cursor:
        return self.log.cursor(record)

    def carrier(self, epoch: int = 1) -> Carrier:
        return Carrier(self, FaultyHeads(self), FaultySnapshots(self), FaultyBlobs(self), "memory", epoch)


def refusal() -> Unavailable:
    return Unavailable("the log refuses to write right now", who="FaultyLog", instead="ask again with the same command id")


def lost_reply() -> Unavailable:
    return Unavailable("the log's reply was lost", who="FaultyLog", instead="ask again with the same command id")


class FaultyHeads:
    """The heads behind a FaultyLog."""

    def __init__(self, door: FaultyLog) -> None:
        self._door = door
        self._heads = MemoryHeads(door.log)

    async def get(self, stream: str) -> Summary | None:
        await self._door.readable()
        return await self._heads.get(stream)

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        await self._door.readable()
        return await self._heads.due(before, after=after, limit=limit)

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        await self._door.readable()
        return await self._heads.all(prefix=prefix, after=after, limit=limit)

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        await self._door.readable()
        return await self._heads.find(search, after=after, limit=limit)

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        await self._door.readable()
        await self._heads.rebuild(summaries)


class FaultySnapshots:
    """The snapshots behind a FaultyLog."""

    def __init__(self, door: FaultyLog) -> None:
        self._door = door
        self._snapshots = MemorySnapshots(door.log)

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]:
        await self._door.readable()
        return await self._snapshots.load(streams)

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        await self._door.readable()
        await self._snapshots.save(snapshots)

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        await self._door.readable()
        return await self._snapshots.behind(cursor)


class FaultyBlobs:
    """The blobs behind a FaultyLog: each is one more write of the plan."""

    def __init__(self, door: FaultyLog) -> None:
        self._door = door
        self._blobs = MemoryBlobs(door.log)

    async def put(self, stream: str, content: bytes) -> Blob:
        return await self._door.writing(lambda: self._blobs.put(stream, content))

    def upload(self, stream: str) -> FaultyUpload:
        return FaultyUpload(self._door, self._blobs.upload(stream))

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        await self._door.readable()
        async with aclosing(self._blobs.read(stream, blob)) as chunks:
            async for chunk in chunks:
                await self._door.passing()
                yield chunk

    async def delete(self, stream: str) -> None:
        await self._door.writing(lambda: self._blobs.delete(stream))

    async def mark(self) -> int:
        await self._door.readable()
        return await self._blobs.mark()

    async def remove(self, stream: str, digests: Collection[str], mark: int) -> None:
        await self._door.writing(lambda: self._blobs.remove(stream, digests, mark))


class FaultyUpload:
    """Content on its way through a FaultyLog; only its end is a write of the plan."""

    def __init__(self, door: FaultyLog, upload: Upload) -> None:
        self._door = door
        self._upload = upload

    async def write(self, content: bytes) -> None:
        await self._door.passing()
        await self._upload.write(content)

    async def finish(self) -> Blob:
        return await self._door.writing(self._upload.finish)

    async def drop(self) -> None:
        await self._upload.drop()
