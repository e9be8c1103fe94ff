"""The whole log of a namespace, held against everything that is known of it. Nothing is owned and nothing written, so workers may serve it.

What says how far the log has been (anchors, views, snapshots) is read first, then the log: so whatever is written meanwhile
can only make the log longer than it has to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from ...eventlog.blobs import Named, speaks_of_blobs
from ...eventlog.errors import Corrupt
from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Record, Tail, verified
from ...eventlog.report import Report
from .inspecting import found_log, looking
from .records.blobs import PART as BLOBS
from .records.blobs import JetStreamBlobs
from .records.headlines import encode, laid, writing
from .records.places import Places
from .records.reader import record_in
from .records.snapshots import PART as SNAPSHOTS
from .records.snapshots import TREE as SNAPSHOT
from .records.snapshots import VERSION, JetStreamSnapshots
from .views.anchors import PART as ANCHORS
from .views.anchors import TREE as ANCHOR
from .views.anchors import Anchor, anchor_in, tails_in
from .views.observing import summary_of, throughs
from .wire import api
from .wire.messages import Message, stream_of_subject
from .wire.store import Store

MENDED = "'perdure log rebuild' mends it"


class Word(Struct, frozen=True, gc=False):
    """What something beside the log says of a stream: that it has been so far."""

    what: str
    where: str
    tail: Tail


class Written(Struct, frozen=True, gc=False):
    """The head that a view has of a stream, by version and digest; or the newest in the log, by its sequence too."""

    version: int
    digest: bytes
    sequence: int = 0
    wakes: bool = False


async def verify(url: str) -> Report:
    """Check the whole log; what is wrong is in the report, not raised."""
    async with looking(url) as (store, place):
        there = await found_log(store, place)
        return await Verification(store, there, Report(place.hidden)).report_of()


class Verification:
    """One pass over everything."""

    def __init__(self, store: Store, there: Mapping[str, api.StreamInfo], report: Report) -> None:
        self.store = store
        self.there = there
        self.report = report
        self.through: dict[int, int] = {}
        """Up to which sequence the views have the heads of each partition."""
        self.words: defaultdict[str, list[Word]] = defaultdict(list)
        self.view: dict[str, Written] = {}
        self.waking: set[str] = set()
        self.tails: dict[str, Tail] = {}
        self.heads: dict[str, Written] = {}
        self.named: defaultdict[str, Named] = defaultdict(Named)

    async def report_of(self) -> Report:
        await self.hear_anchors()
        await self.hear_heads()
        await self.hear_wakes()
        await self.hear_snapshots()
        await self.read_log()
        self.hold_words()
        self.hold_views()
        await self.hold_blobs()
        self.report.streams = len(self.tails)
        return self.report

    # -- what is said of the log -------------------------------------------------------------------------------------------

    async def hear_anchors(self) -> None:
        if ANCHORS not in self.there:
            return
        found: defaultdict[int, list[Anchor]] = defaultdict(list)
        for message in await self.store.everything(ANCHORS, f"perdure.{self.store.subjects.namespace}.{ANCHOR}.*"):
            try:
                found[int(message.subject.rpartition(".")[2])].append(anchor_in(message))
            except Corrupt as error:
                self.report.found("", error.who, f"{error.message}: {error.found}")
        for anchors in found.values():
            for stream, tail in tails_in(anchors).items():
                self.words[stream].append(Word("an anchor", ANCHORS, tail))
        self.report.anchored = max((anchor.until for anchors in found.values() for anchor in anchors), default=None)
        self.through = await throughs(self.store, found, self.there)

    async def hear_heads(self) -> None:
        if "HEADS" not in self.there:
            return
        async for page in self.store.complete("HEADS", self.store.subjects.tree("head")):
            for message in page:
                if (summary := self._summary(message, "HEADS")) is not None:
                    self.words[summary.stream].append(Word("the head", "HEADS", summary.tail))
                    self.view[summary.stream] = written(summary)
        self.report.heads = len(self.view)

    async def hear_wakes(self) -> None:
        if "WAKE" not in self.there:
            return
        async for page in self.store.complete("WAKE", self.store.subjects.tree("wake")):
            for message in page:
                if (summary := self._summary(message, "WAKE")) is not None:
                    self.waking.add(summary.stream)
                elif not message.data:
                    self.waking.discard(stream_of_subject(message.subject))

    async def hear_snapshots(self) -> None:
        if SNAPSHOTS not in self.there:
            return
        snapshots = JetStreamSnapshots(self.store, Places())
        async for page in self.store.complete(SNAPSHOTS, self.store.subjects.tree(SNAPSHOT)):
            streams = [stream_of_subject(message.subject) for message in page if VERSION in message.headers]
            intact = await snapshots.load(streams)
            self.report.snapshots += len(streams)
            for stream in streams:
                if stream in intact:
                    self.words[stream].append(Word("the snapshot", SNAPSHOTS, intact[stream].tail))
                else:
                    self.report.found(stream, SNAPSHOTS, "the snapshot is damaged; runs are folded without it")

    def _summary(self, message: Message, view: str) -> Summary | None:
        try:
            return summary_of(message)
        except Corrupt as error:
            self.report.found(error.who, view, f"{error.message}; {MENDED}")
            return None

    # -- the log -----------------------------------------------------------------------------------------------------------

    async def read_log(self) -> None:
        """Every message in its order: no gap, every chain."""
        async for page in self.store.complete("LOG", self.store.subjects.all):
            for message in page:
                if message.sequence != self.report.position + 1:
                    what = f"missing: the next message has sequence {message.sequence}"
                    self.report.found("", f"sequence {self.report.position + 1}", what)
                self.report.position = message.sequence
                self._take(message)
        anchored = self.report.anchored or 0
        if self.report.position < anchored:
            what = f"the log ends at sequence {self.report.position}, its anchor is at {anchored}: the end is cut off"
            self.report.found("", ANCHORS, what)

    def _take(self, message: Message) -> None:
        try:
            record = record_in(message)
            _, summary = laid(message)
        except Corrupt as error:
            self.report.found(error.who, error.where, f"{error.message}: {error.found}")
            return
        stream = record.stream
        try:
            next(verified(stream, self.tails.get(stream, EMPTY), [record]))
        except Corrupt as error:
            self.report.found(stream, error.where, f"{error.message}: expected {error.expected}, found {error.found}")
        self.tails[stream] = record.tail
        self.report.records += 1
        self.report.events += record.last - record.first + 1
        if speaks_of_blobs(record.data):
            self.named[stream].take(record.data)
        self._hold_record(record, message.sequence, summary)

    def _hold_record(self, record: Record, sequence: int, summary: Summary | None) -> None:
        """Hold a record against what is said of the stream at its version."""
        stream = record.stream
        for word in self.words.get(stream, ()):
            if word.tail.version == record.last and word.tail.digest != record.digest:
                self.report.found(stream, word.where, f"{word.what} was written beside another record of version {record.last}")
        if summary is not None:
            self.heads[stream] = written(summary, sequence)
        view, head = self.view.get(stream), self.heads.get(stream)
        if view is not None and view.version == record.last and (head is None or head.digest != view.digest):
            self.report.found(stream, "HEADS", f"the view has another head than the log at version {record.last}; {MENDED}")

    # -- what was heard, held against what was read ------------------------------------------------------------------------

    def hold_words(self) -> None:
        """Every stream goes as far as it has been."""
        for stream, words in self.words.items():
            version = self.tails.get(stream, EMPTY).version
            for word in words:
                if word.tail.version > version:
                    what = f"{word.what} was written at version {word.tail.version}, the stream ends at {version}"
                    self.report.found(stream, word.where, what)

    def hold_views(self) -> None:
        """What the anchors say that the views have, they have."""
        for stream, head in self.heads.items():
            if head.sequence > self.through.get(self.store.subjects.partition_of(stream), 0):
                continue
            view = self.view.get(stream)
            if view is None or view.version < head.version:
                has = "none" if view is None else f"that of version {view.version}"
                self.report.found(stream, "HEADS", f"the head of version {head.version} is missing in the view, which has {has}; {MENDED}")
            if head.wakes and stream not in self.waking:
                self.report.found(stream, "WAKE", f"it is to be woken, and the view of wake-ups has nothing of it; {MENDED}")

    async def hold_blobs(self) -> None:
        """Every blob that an event names, and none has released since, is there and whole."""
        blobs = JetStreamBlobs(self.store)
        kept = sorted((stream, blob.digest, blob) for stream, named in self.named.items() for blob in named.kept)
        self.report.blobs = len(kept)
        for stream, _, blob in kept:
            where = f"blob {blob.digest[:12]}"
            if BLOBS not in self.there:
                self.report.found(stream, where, f"the JetStream stream {self.store.subjects.bucket_of(BLOBS)} is missing")
                continue
            try:
                async for _ in blobs.read(stream, blob):
                    pass
            except Corrupt as error:
                self.report.found(stream, where, f"{error.message}: {error.found}")


def written(summary: Summary, sequence: int = 0) -> Written:
    """What there is to compare. The view may have a head with the tail of a later record that did not change it."""
    digest = sha256(encode(writing(summary.head))).digest()
    return Written(summary.tail.version, digest, sequence, summary.head.wake_at is not None)
