"""The index of the partitions that this worker owns: who is to be woken, and which heads the views do not have yet.

It is the truth of the log as far as this worker wrote or read it; the views in JetStream lag behind. Every append passes
here before its caller hears of it, so nothing that was acknowledged is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter, itemgetter

from ....eventlog.log import Summary
from ....eventlog.records import EMPTY, Append, Tail
from ..owning.fences import Fence
from ..wire.messages import Subjects
from .order import Key, Order
from .quiet import Quiet

STREAM, SEQUENCE = attrgetter("stream"), itemgetter(1)

CHANGES_MAX = 4000
"""So many changes are written to the views at once, before their time."""

BEHIND_MAX = 4000
"""So far behind the end of the log may an anchor stay in whose partition nothing happens: whoever takes over looks through that much."""


YOUNG_SECONDS = 2.0
"""So long a stream is live before the views have it: many runs have ended by then, and the views never hear of their beginning."""


class Part:
    """What is known of one partition.

    `seats` are the sequences of the messages by which the views know their writer. All records up to `through` have their
    heads in the views, as the newest anchor says; those up to `laid` are known here.
    """

    __slots__ = ("fence", "fresh", "laid", "listed", "looks", "owed", "quiet", "renewed", "seats", "tails", "through", "touched", "waking",
                 "young")  # fmt: skip

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.through = self.laid = 0
        self.renewed = False
        """Whether the views were made anew, which the next anchor is to say."""
        self.looks: list[float] = []
        """When the log behind `laid` is to be read again, for what a predecessor that was not dead may have written late."""
        self.seats: dict[str, int] = {}
        self.touched: set[str] | None = set()
        """Until the view of wake-ups has been read: streams of which it may have an older head than is known here."""
        self.waking: dict[str, Summary] = {}
        """Those with a wake-up; the only heads that are kept for good."""
        self.fresh: dict[str, Summary] = {}
        """The newest of those that the views do not have."""
        self.young: dict[str, tuple[float, int]] = {}
        """Of these the ones that have just come to live: since when, and the sequence of the record that has the head."""
        self.tails: dict[str, Tail] = {}
        """Of streams that grew since the anchor."""
        self.listed: set[str] = set()
        """Streams that the view of wake-ups has."""
        self.owed: dict[str, Tail] = {}
        """How far streams have been, by the anchors."""
        self.quiet = Quiet()

    def known(self, stream: str) -> Summary | None:
        """The head of a stream, if it is not in the views alone."""
        return self.fresh.get(stream) or self.waking.get(stream)

    def is_ahead_of_views(self, settled: int) -> bool:
        """Whether there is something to write; of what stands still, only now and then that the log has come to a sequence."""
        ripe = len(self.fresh) > len(self.young)
        return bool(ripe or self.tails or self.renewed) or (not self.looks and settled - self.through > BEHIND_MAX)

    def ripen(self, now: float) -> None:
        """Those that have been live for long enough are for the views."""
        for stream in [stream for stream, (since, _) in self.young.items() if since <= now - YOUNG_SECONDS]:
            del self.young[stream]

    def lay(self, summary: Summary, sequence: int = 0, now: float = 0.0) -> bool:
        """Know the head of a stream that the views do not have; False where a newer one is known.

        `sequence` is that of its record where it was written here, `now`: the views may wait for it then.
        """
        stream, known = summary.stream, self.known(summary.stream)
        if known is not None and known.tail.version >= summary.tail.version:
            return False
        if self.touched is not None:
            self.touched.add(stream)
        if summary.head.wake_at is not None:
            self.waking[stream] = summary
        else:
            self.waking.pop(stream, None)
        self.fresh[stream] = summary
        since, _ = self.young.pop(stream, (now, 0))
        if sequence and summary.head.wake_at == 0:
            self.young[stream] = since, sequence
        return True


class Index:
    """The parts that are owned, and the order in which their streams are to be woken."""

    def __init__(self, subjects: Subjects) -> None:
        self.subjects = subjects
        self.parts: dict[int, Part] = {}
        self.full = asyncio.Event()
        """There is much to write to the views."""
        self.doubts: dict[str, int] = {}
        """Streams whose records behind a sequence are not known: an append to them ended in doubt."""
        self._order = Order()
        self._high = 0
        self._begun: dict[str, int] = {}
        """Streams with an append under way, in the order in which these began, and the highest sequence that was known then."""
        self._changes = 0

    def begun(self, appends: Sequence[Append]) -> None:
        self._begun.update(dict.fromkeys(map(STREAM, appends), self._high))

    def stored(self, stored: Sequence[tuple[Append, int]]) -> None:
        parts, addresses, now = self.parts, self.subjects.addresses, asyncio.get_running_loop().time()
        self._high = max(self._high, max(map(SEQUENCE, stored), default=0))
        for append, sequence in stored:
            stream = append.stream
            del self._begun[stream]
            part = parts.get(addresses[stream].partition)
            if part is not None:
                part.tails[stream] = append.tail
                if append.head is not None:
                    self.lay(part, Summary(stream, append.tail, append.head), sequence, now)
        self._changed(len(stored))

    def unstored(self, append: Append, *, certain: bool) -> None:
        before = self._begun.pop(append.stream, self._high)
        if not certain:
            self.doubts[append.stream] = min(before, self.doubts.get(append.stream, before))
            self.full.set()

    def settled(self) -> int:
        """Up to this sequence everything that this worker wrote is known."""
        under_way = next(iter(self._begun.values()), self._high)
        return min([under_way, self._high, *self.doubts.values()])

    def is_appending(self, partitions: Collection[int]) -> bool:
        """Whether an append to one of these is under way."""
        return any(self.subjects.partition_of(stream) in partitions for stream in self._begun)

    def seen(self, sequence: int) -> None:
        """The log has come so far."""
        self._high = max(self._high, sequence)

    def grown(self, part: Part, stream: str, tail: Tail) -> None:
        part.tails[stream] = tail
        self._changed(1)

    def _changed(self, count: int) -> None:
        self._changes += count
        if self._changes >= CHANGES_MAX:
            self._changes = 0
            self.full.set()

    def lay(self, part: Part, summary: Summary, sequence: int = 0, now: float = 0.0) -> None:
        """The head of a stream is this, unless a newer one is known; the views do not have it.

        What was read late of a part that is another's by now, or was lost and won anew, is not for here.
        """
        if self.parts.get(part.fence.partition) is not part:
            return
        before = part.waking.get(summary.stream)
        if part.lay(summary, sequence, now):
            self._order.move(summary.stream, None if before is None else before.head.wake_at, summary.head.wake_at)

    def wake(self, found: Iterable[tuple[Part, Summary]]) -> None:
        """The view has these wake-ups. Whatever is known of their streams by now is newer."""
        added: list[Summary] = []
        for part, summary in found:
            stream = summary.stream
            if part.touched is None or self.parts.get(part.fence.partition) is not part:
                continue
            part.listed.add(stream)
            if not (stream in part.touched or stream in part.waking or part.renewed):
                part.waking[stream] = summary
                added.append(summary)
        self._order.add((summary.head.wake_at or 0, summary.stream) for summary in added)

    def add(self, *parts: Part) -> None:
        """These are owned from now on."""
        self.drop(*(part.fence.partition for part in parts))
        self.parts |= {part.fence.partition: part for part in parts}
        self._order.add((summary.head.wake_at or 0, summary.stream) for part in parts for summary in part.waking.values())

    def drop(self, *partitions: int) -> None:
        """These are not owned any more."""
        gone = [part for partition in partitions if (part := self.parts.pop(partition, None)) is not None]
        self._order.drop({stream for part in gone for stream in part.waking})

    def renew(self, part: Part, summaries: Iterable[Summary]) -> None:
        """These are all heads there are in the part, and the views have none of them."""
        self.drop(part.fence.partition)
        part.waking.clear()
        part.fresh.clear()
        part.young.clear()
        part.listed.clear()
        for summary in summaries:
            part.lay(summary)
        part.renewed, part.touched = True, None
        self.add(part)

    def known(self, stream: str) -> Summary | None:
        """The head of a stream, if it is not in the views alone."""
        part = self.parts.get(self.subjects.partition_of(stream))
        return None if part is None else part.known(stream)

    def owed(self, stream: str) -> Tail:
        """How far a stream has come at least, as far as that is in memory."""
        part = self.parts.get(self.subjects.partition_of(stream))
        if part is None:
            return EMPTY
        known = part.known(stream)
        tails = (part.tails.get(stream, EMPTY), part.owed.get(stream, EMPTY), EMPTY if known is None else known.tail)
        return max(tails, key=lambda tail: tail.version)

    def due(self, until: int, after: Key | None, limit: int) -> list[Summary]:
        streams = self._order.page(until, after, limit)
        return [self.parts[self.subjects.partition_of(stream)].waking[stream] for stream in streams]

    def fresh(self) -> Iterable[Summary]:
        """The heads that the views do not have."""
        return (summary for part in self.parts.values() for summary in part.fresh.values())
