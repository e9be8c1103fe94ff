"""Snapshots: the newest of each stream, in one message, or in several where it is larger than one.

They remember at which sequence of the log their tail stands, so that what is behind it is found without what is before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ....eventlog.blobs import chunks_of
from ....eventlog.log import Cursor
from ....eventlog.records import Tail
from ....eventlog.snapshots import Snapshot
from ..wire.messages import Message, stream_of_subject
from ..wire.store import Store
from .places import Places

PART, TREE = "SNAPS", "snap"
AT_ONCE = 32
"""Each may fill a message."""

VERSION, DIGEST, STATE, SEAL, CHUNKS, POSITION = (
    "Perdure-Version", "Perdure-Digest", "Perdure-State", "Perdure-Seal", "Perdure-Chunks", "Perdure-Position",
)  # fmt: skip


class JetStreamSnapshots:
    """Snapshots; one that is torn or damaged is as good as none, since a log is behind it."""

    def __init__(self, store: Store, places: Places) -> None:
        self._store = store
        self._places = places
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]:
        subjects = {stream: self._store.subjects.of(stream, TREE) for stream in streams}
        newest = await self._store.newest_of(PART, list(subjects.values()), at_once=AT_ONCE)
        there = [(stream, newest[subject]) for stream, subject in subjects.items() if subject in newest]
        found = await asyncio.gather(*(self._load(stream, first) for stream, first in there))
        return {snapshot.stream: snapshot for snapshot in found if snapshot is not None}

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        await asyncio.gather(*map(self._save, snapshots))

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        """As promised by the protocol: in the order in which they were saved, so that a new one is met again."""
        found = await self._store.behind(PART, self._store.subjects.tree(TREE), int(cursor or 0))
        return None if found is None else (str(found.sequence), stream_of_subject(whole(found.subject)))

    async def _load(self, stream: str, first: Message) -> Snapshot | None:
        async with self._turns:
            chunks = range(1, int(first.headers.get(CHUNKS, "1")))
            others = [await self._store.newest(PART, f"{first.subject}.{number}") for number in chunks]
        try:
            return self._made(stream, first, others)
        except (KeyError, ValueError):
            return None

    async def _save(self, snapshot: Snapshot) -> None:
        subject, chunks = self._store.subjects.of(snapshot.stream, TREE), list(chunks_of(snapshot.data)) or [b""]
        tail, position = snapshot.tail, self._places.sequence_of(snapshot.stream, snapshot.tail) or 0
        headers = {
            VERSION: str(tail.version), DIGEST: tail.digest.hex(), STATE: str(snapshot.state_version), SEAL: snapshot.seal.hex(),
            CHUNKS: str(len(chunks)), POSITION: str(position),
        }  # fmt: skip
        async with self._turns:
            for number in range(1, len(chunks)):
                await self._store.publish(PART, f"{subject}.{number}", chunks[number])
            await self._store.publish(PART, subject, chunks[0], headers)

    def _made(self, stream: str, first: Message, others: Sequence[Message | None]) -> Snapshot | None:
        headers, data = first.headers, first.data + b"".join(other.data for other in others if other is not None)
        tail = Tail(int(headers[VERSION]), bytes.fromhex(headers[DIGEST]))
        snapshot = Snapshot(stream, tail, int(headers[STATE]), data, bytes.fromhex(headers[SEAL]))
        if not snapshot.intact:
            return None
        if position := int(headers[POSITION]):
            self._places.keep(stream, tail, position)
        return snapshot


def whole(subject: str) -> str:
    """The subject of a stream's snapshot, of which this is one or a part."""
    return ".".join(subject.split(".")[:7])
