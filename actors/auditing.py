"""Auditing: what is kept of an actor beside its log, held against a fold of that log from its beginning.

A snapshot and a state in memory are caches: each must be what the log gives at its version. Nothing is believed but the log, whose
chain is verified on the way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from anyio.lowlevel import checkpoint
from msgspec import Struct

from ..eventlog.codec import Event
from ..eventlog.errors import Corrupt
from ..eventlog.guard import guard
from ..eventlog.log import Log, Version
from ..eventlog.records import EMPTY, Record, verified
from ..eventlog.snapshots import Snapshot
from .activation import FROZEN
from .kind import Kind

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

RECORDS_BETWEEN_RESTS = 32
CATCHES_UP = 5
"""So often an actor that goes on meanwhile is caught up with before it is left for another time."""

UNREADABLE = "unreadable"
DROPPED = 0
"""The state version of a snapshot that was dropped: no kind has it, so the snapshot is passed over."""


class Difference(Struct, frozen=True):
    """What was kept of an actor at a version, and what its log gives there: digests, in hexadecimal."""

    stream: str
    what: Literal["snapshot", "memory"]
    version: int
    kept: str
    folded: str


class Refold:
    """A stream folded from its beginning, beside every actor in memory."""

    def __init__(self, kind: Kind[Any, Any, Any], stream: str) -> None:
        self.kind = kind
        self.stream = stream
        self.state: Any = kind.initial(stream)
        self.tail = EMPTY
        self.records = 0

    def take(self, record: Record) -> Sequence[Event]:
        """One record further: its events; Corrupt, or Invalid, where it does not hold."""
        next(verified(self.stream, self.tail, [record]))
        batch = self.kind.codec.decode(record.data)
        for event in batch.events:
            self.state = self.kind.evolve(self.state, event, batch.at)
        self.tail = record.tail
        self.records += 1
        return batch.events

    def digest(self) -> str | None:
        return self.kind.digest(self.state)


@asynccontextmanager
async def reading(log: Log, stream: str, after: Version = 0) -> AsyncGenerator[AsyncIterator[Record]]:
    """The records of a stream; whoever does not take them all leaves nothing open."""
    records = log.read(stream, after=after)
    try:
        yield records
    finally:
        if isinstance(records, AsyncGenerator):
            await records.aclose()


async def audit(dispatcher: Dispatcher, stream: str) -> list[Difference]:
    """What of the actor is not what its log gives; Corrupt or Invalid where the log itself does not hold.

    What cannot be compared (the actor goes on, its kind keeps no states) is no difference.
    """
    kind, found = dispatcher.kinds[stream.partition("/")[0]], list[Difference]()
    snapshot, fold = await _snapshot_of(dispatcher, kind, stream), Refold(kind, stream)
    for _ in range(CATCHES_UP):
        async with reading(dispatcher.log, stream, fold.tail.version) as records:
            async for record in records:
                fold.take(record)
                if snapshot is not None and fold.tail.version == snapshot.tail.version:
                    found += _held_against(fold, "snapshot", _digest_in(snapshot, fold))
                if fold.records % RECORDS_BETWEEN_RESTS == 0:
                    await checkpoint()
        actor = dispatcher.actors.get(stream)
        if actor is None or not actor.awake:
            break
        if not actor.in_turn and actor.tail == fold.tail:
            found += _held_against(fold, "memory", kind.digest(actor.state))
            break
        await checkpoint()
    return found


async def drop_snapshot(dispatcher: Dispatcher, stream: str) -> None:
    """Keep no state of the stream beside its log; how far it had come stays known."""
    snapshot = (await dispatcher.snapshots.load([stream])).get(stream)
    if snapshot is not None:
        await dispatcher.snapshots.save([Snapshot.of(stream, snapshot.tail, DROPPED, b"")])


async def _snapshot_of(dispatcher: Dispatcher, kind: Kind[Any, Any, Any], stream: str) -> Snapshot | None:
    """The snapshot that an activation would go on from."""
    try:
        found = (await dispatcher.snapshots.load([stream])).get(stream)
    except Corrupt:
        return None
    return found if found is not None and found.intact and found.state_version == kind.state_version else None


def _digest_in(snapshot: Snapshot, fold: Refold) -> str | None:
    """The digest of the state that a snapshot thaws to."""
    if snapshot.tail != fold.tail:
        return UNREADABLE
    try:
        frozen = FROZEN.decode(guard(snapshot.data, fold.stream))
        return fold.kind.digest(fold.kind.thaw(fold.stream, bytes(frozen.state)))
    except Exception:  # whatever a kind raises over bytes that are not its own: an activation passes over them, too
        return UNREADABLE


def _held_against(fold: Refold, what: Literal["snapshot", "memory"], kept: str | None) -> list[Difference]:
    folded = fold.digest()
    if kept is None or folded is None or kept == folded:
        return []
    return [Difference(fold.stream, what, fold.tail.version, kept, folded)]
