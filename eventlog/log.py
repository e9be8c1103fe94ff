"""What a runtime stands on: a log, and what belongs to it. Each is a small protocol that a carrier fulfils.

A carrier must pass the conformance suite; nothing above this room knows which one it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from .blobs import Blobs
from .errors import Conflict
from .records import Append, Head, Record, Tail
from .search import Search
from .snapshots import Snapshot
from .transactions import Transactions

Version: TypeAlias = int
Cursor: TypeAlias = str
"""An opaque place in all streams, as `Log.cursor` gives it."""

Durability: TypeAlias = Literal["power", "process", "memory"]
"""What an acknowledged append survives: a power cut, the end of the process, or nothing."""


class Records(Protocol):
    """Where the records of a stream can be read."""

    def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        """The records of one stream behind a version, in order."""
        ...


class Log(Records, Protocol):
    """All streams, append-only."""

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        """Many appends in one go, each atomic by itself, judged by itself, and durable when this returns.

        The answer holds, in the same order, the new tail, or a Conflict where the stream did not end at `expected`. Appends
        to one stream are judged one after another; between streams no order is promised. What was answered earlier has
        the lower position. An exception means that the outcome of each of them is unknown, with one exception: Invalid
        and Refused say that nothing of the append they name was written. A caller that is cancelled leaves a log that is
        whole: each append happened or did not.
        """
        ...

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        """The records of many streams behind the version given for each; an unknown stream has none.

        What this process has appended is among them. Whoever folds them verifies the chain: a carrier gives what it keeps.
        """
        ...

    def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        """All records behind a cursor, in the order of their positions; at the end it waits for more, for ever."""
        ...

    def cursor(self, record: Record) -> Cursor:
        """The place right behind a record."""
        ...


class Summary(Struct, frozen=True, gc=False):
    """A stream's head, and the tail that it was written with."""

    stream: str
    tail: Tail
    head: Head


class Heads(Protocol):
    """The index of heads: rebuildable from the log at any time."""

    async def get(self, stream: str) -> Summary | None: ...

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        """Streams whose `wake_at` is at most `before`, in the order of (wake_at, stream), behind `after`."""
        ...

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        """Summaries in the order of their streams, behind `after`."""
        ...

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        """Summaries that a search wants, in the order of their streams, behind `after`; no stream is folded for it."""
        ...

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        """Drop every head and keep these instead, in one durable write."""
        ...


class Snapshots(Protocol):
    """The newest snapshot of each stream."""

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]: ...

    async def save(self, snapshots: Sequence[Snapshot]) -> None: ...

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        """The first stream behind a cursor that has a snapshot, and the cursor of it; None behind the last.

        Who goes on so from the beginning meets every snapshot that stays, at the cost of one at a time.
        """
        ...


class Carrier(Struct, frozen=True, gc=False):
    """The bundle that a composition root hands to a runtime."""

    log: Log
    heads: Heads
    snapshots: Snapshots
    blobs: Blobs
    durability: Durability
    epoch: int = 1
    """The number of this ownership of the log: grows with every opening."""
    transactions: Transactions | None = None
    """Where the carrier is a database: what changes rows of the user's own together with an outcome."""
