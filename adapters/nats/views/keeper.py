"""Keeps the partitions that are owned: takes them, writes their views and anchors, lets go of them.

The views are written once a second, or when much has changed: only the newest head of each stream, whatever came in between. One
that says "live now" waits a little longer, since most that begin are over soon.
What is not written yet stands in the log, and whoever takes the partition over reads it there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from ....eventlog.errors import Corrupt, PerdureError
from ....eventlog.log import Summary
from ....eventlog.records import Tail
from ..owning.fences import Fence
from ..records.headlines import entry_data, laid, summary_in
from ..wire.batches import Post, write
from ..wire.messages import stream_of_subject
from ..wire.store import Store
from . import anchors
from .index import Index, Part
from .quiet import AT_ONCE, heads_of
from .rebuilding import rebuild
from .taking import VIEWS, read_log, seat_of, take, wakes

logger = logging.getLogger("perdure.nats")

EVERY = 1.0
PAUSE = 0.002
ENDLESS = 1 << 63
GONE_AFTER = 1
"""Seconds for which the view of wake-ups keeps a stream that has none any more."""
LOOKS = (2.0, 10.0, 60.0)
"""Seconds after which the log is read again where the predecessor did not let go: it may be alive, and what it sent late may arrive."""


class Keeper:
    """Keeps the index and the views of what is owned. `lost` is told of each partition that turns out to be another's."""

    def __init__(self, store: Store, index: Index, lost: Callable[[int], None] = lambda _: None) -> None:
        self.store = store
        self.index = index
        self._lost = lost
        self._turn = asyncio.Lock()

    async def take(self, fences: Iterable[Fence], *, after: Sequence[Fence] = ()) -> None:
        """Own the partitions of these claims of ours, and know who is to be woken in them; `after` are the fences as they were found."""
        await self._fill(await self._begin(fences, after))

    async def begin(self, fences: Iterable[Fence], *, after: Sequence[Fence] = ()) -> None:
        """Own them, though nothing is known yet of the wake-ups that the view has: `fill` is to follow."""
        await self._begin(fences, after)

    async def fill(self, partitions: Iterable[int]) -> None:
        """Know who is to be woken in these. It is tried as long as they are ours: no run may be forgotten."""
        partitions = tuple(partitions)
        while parts := [part for part in map(self.index.parts.get, partitions) if part is not None and part.touched is not None]:
            try:
                await self._fill(parts)
            except PerdureError as away:
                logger.warning("nats: who is to be woken cannot be read: %s", away)
                await asyncio.sleep(EVERY)

    async def _begin(self, fences: Iterable[Fence], after: Sequence[Fence]) -> Sequence[Part]:
        """One whose predecessor let go of it (no owner), or that had none, is read once; the others again, a little later."""
        left = {fence.partition for fence in after if not fence.owner}
        fences, now = tuple(fences), asyncio.get_running_loop().time()
        parts = await take(self.store, fences)
        for part in parts:
            part.looks = [] if part.fence.partition in left else [now + seconds for seconds in LOOKS]
            self.index.seen(part.laid)
        self.index.add(*parts)
        for partition in {fence.partition for fence in fences} - {part.fence.partition for part in parts}:
            self._lost(partition)
        return parts

    async def _fill(self, parts: Sequence[Part]) -> None:
        """Read the view of wake-ups; where an entry cannot be read, all of the partition's log."""
        damaged = dict[Part, None]()
        async for page in wakes(self.store, {part.fence.partition: part for part in parts}):
            found: list[tuple[Part, Summary]] = []
            for part, message in page:
                try:
                    found.append((part, summary_in(message)))
                except Corrupt as damage:
                    logger.warning("%s: it is made anew from the log", damage)
                    damaged[part] = None
            self.index.wake(found)
            await asyncio.sleep(0)
        for part in damaged:
            await self._make_anew(part)
        for part in parts:
            part.touched = None

    async def _make_anew(self, part: Part) -> None:
        anew = Part(part.fence)
        await read_log(self.store, self.store.subjects.branch("log", part.fence.partition), 1, lambda _: anew)
        for summary in anew.fresh.values():
            self.index.lay(part, summary)
        self.index.wake([(part, summary) for stream, summary in anew.waking.items() if stream not in anew.fresh])

    async def serve(self) -> None:
        """Write the views for ever."""
        while True:
            try:
                async with asyncio.timeout(EVERY):
                    await self.index.full.wait()
            except TimeoutError:
                pass
            self.index.full.clear()
            try:
                await self.flush()
            except PerdureError as away:
                logger.warning("nats: the views of the log wait: %s", away)
                await asyncio.sleep(EVERY)

    async def flush(self) -> None:
        """Write to the views what they do not have, then say so in anchors."""
        async with self._turn:
            await self._flush()

    async def rebuild(self, summaries: Iterable[Summary]) -> None:
        """Drop every head and keep these instead."""
        async with self._turn:
            await rebuild(self.store, self.index, summaries)
            await self._flush()

    async def _flush(self) -> None:
        await self._look_again()
        await self._resolve()
        await self._vouch()
        settled, now = self.index.settled(), asyncio.get_running_loop().time()
        for part in self.index.parts.values():
            part.ripen(now)
        changed = [Change(part) for part in self.index.parts.values() if part.is_ahead_of_views(settled)]
        await self._write("HEADS", [post for change in changed for post in self._heads(change)])
        await self._write("WAKE", [post for change in self._ours(changed) for post in self._wakes(change)])
        for change in self._ours(changed):
            change.written()
        await self._write(anchors.PART, [self._anchor(change, settled) for change in self._ours(changed)])
        for change in self._ours(changed):
            change.anchored()

    async def let_go(self, partitions: Iterable[int]) -> None:
        """Own these no more; their fences are the caller's to release.

        Nothing of ours may arrive in them any more. What the views do not have yet is in the log, where the next owner finds it: to
        write it now would take longer than to read it then, and nobody serves them meanwhile.
        """
        partitions, clock = set(partitions), asyncio.get_running_loop().time
        deadline = clock() + self.store.patience
        while self.index.is_appending(partitions):
            if clock() > deadline:
                raise self.store.unavailable("appends are under way to partitions that are to go")
            await asyncio.sleep(PAUSE)
        if any(self.store.subjects.partition_of(stream) in partitions for stream in self.index.doubts):
            await self.flush()
        self.drop(partitions)

    def drop(self, partitions: Iterable[int]) -> None:
        """These are another's."""
        self.index.drop(*partitions)

    def _ours(self, changed: Iterable[Change]) -> Iterator[Change]:
        """Those that have not turned out to be another's while they were written."""
        return (change for change in changed if self.index.parts.get(change.part.fence.partition) is change.part)

    async def _write(self, view: str, posts: Sequence[Post]) -> None:
        for partition in await write(self.store, view, posts) if posts else ():
            self.index.drop(partition)
            logger.warning("nats: partition %d has another owner", partition)
            self._lost(partition)

    def _heads(self, change: Change) -> Iterator[Post]:
        partition, root, seat = self._place("HEADS", change.part)
        addresses = self.store.subjects.addresses
        return (Post(partition, root + addresses[stream].tokens, data, seat) for stream, data in change.entries.items())

    def _wakes(self, change: Change) -> Iterator[Post]:
        partition, root, seat = self._place("WAKE", change.part)
        addresses, part = self.store.subjects.addresses, change.part
        for stream, summary in change.heads.items():
            if summary.head.wake_at is not None:
                yield Post(partition, root + addresses[stream].tokens, change.entries[stream], seat)
            elif stream in part.listed or part.touched is not None:
                yield Post(partition, root + addresses[stream].tokens, b"", seat, GONE_AFTER)

    def _place(self, view: str, part: Part) -> tuple[int, str, tuple[str, int]]:
        """The partition of a part, what its subjects in a view begin with, and its seat there."""
        subjects = self.store.subjects
        return part.fence.partition, subjects.root(VIEWS[view]), seat_of(subjects, part, view)

    def _anchor(self, change: Change, settled: int) -> Post:
        part, fence, subjects = change.part, change.part.fence, self.store.subjects
        change.through = max(part.through, min(change.until, max(part.laid, 0 if part.looks else settled)))
        data = anchors.encode(anchors.anchor_of(fence.owner, fence.epoch, change.through, change.tails, max(part.laid, settled)))
        return Post(fence.partition, subjects.leaf(anchors.TREE, fence.partition), data, seat_of(subjects, part, anchors.PART))

    async def _look_again(self) -> None:
        """Read what a predecessor that did not let go may have written after the partition was taken."""
        now = asyncio.get_running_loop().time()
        for part in [part for part in self.index.parts.values() if part.looks and part.looks[0] <= now]:
            part.laid = await self._lay(part, self.store.subjects.branch("log", part.fence.partition), part.laid)
            part.looks.pop(0)

    async def _resolve(self) -> None:
        """Read what became of the streams to which an append ended in doubt."""
        while self.index.doubts:
            stream, before = self.index.doubts.popitem()
            part = self.index.parts.get(self.store.subjects.partition_of(stream))
            try:
                if part is not None:
                    await self._lay(part, self.store.subjects.of(stream), min(before, part.laid))
            except BaseException:
                self.index.doubts[stream] = min(before, self.index.doubts.get(stream, before))
                raise

    async def _vouch(self) -> None:
        """Let the view have the heads of streams that only anchors vouch for, and not for much longer."""
        quiet, left = dict[Part, dict[str, Tail]](), AT_ONCE
        for part in self.index.parts.values():
            if due := part.quiet.due(left):
                quiet[part], left = due, left - len(due)
        unknown = [stream for part, due in quiet.items() for stream in due if part.known(stream) is None]
        found = await heads_of(self.store, unknown) if unknown else {}
        for part, due in quiet.items():
            for stream, tail in due.items():
                summary = part.known(stream) or found.get(stream)
                if summary is not None and summary.tail.version < tail.version and stream not in part.tails:
                    self.index.lay(part, Summary(stream, tail, summary.head))
            part.quiet.settled(list(due))

    async def _lay(self, part: Part, subject: str, behind: int) -> int:
        """Know what the log has of a subject behind a sequence; the sequence it was read to."""
        async for page in self.store.complete("LOG", subject, behind + 1):
            for message in page:
                behind = message.sequence
                tail, summary = laid(message)
                self.index.grown(part, stream_of_subject(message.subject), tail)
                if summary is not None:
                    self.index.lay(part, summary)
        return behind


class Change:
    """What the views do not have of one part, as it was when writing began."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.heads = {stream: summary for stream, summary in part.fresh.items() if stream not in part.young}
        self.entries = {stream: entry_data(summary) for stream, summary in self.heads.items()}
        self.tails = dict(islice(part.tails.items(), anchors.TAILS_MAX))
        self.through = part.through
        self.until = min((sequence for _, sequence in part.young.values()), default=ENDLESS) - 1
        """Behind this there are young streams, whose heads only the log has."""

    def written(self) -> None:
        """The heads are in the views."""
        for stream, summary in self.heads.items():
            if self.part.fresh.get(stream) is summary:
                del self.part.fresh[stream]
            if summary.head.wake_at is None:
                self.part.listed.discard(stream)
            else:
                self.part.listed.add(stream)

    def anchored(self) -> None:
        """The anchor is there."""
        self.part.renewed = False
        self.part.quiet.anchored(self.tails, self.heads)
        for stream, tail in self.tails.items():
            if self.part.tails.get(stream) is tail:
                del self.part.tails[stream]
        self.part.through = self.through
