"""Reading what is left: the records of the log as its server has them, and the journal of the steps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from perdure.adapters.nats.records.reader import record_in
from perdure.adapters.nats.wire.messages import Message
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Unavailable
from perdure.eventlog.records import Record
from tests.chaos.history import History
from tests.chaos.noting import Attempted

STORED = "Nats-Time-Stamp"


class Happened(Struct, frozen=True):
    """An event as data, where it stands, the epoch that wrote it, and when it was stored, in seconds since 1970."""

    stream: str
    version: int
    epoch: int
    event: Mapping[str, Any]
    stored: float = 0.0

    @property
    def type(self) -> str:
        name: str = self.event["type"]
        return name


class Letter(Struct, frozen=True):
    """An order of a task queue that lies with the dead letters."""

    stream: str
    id: str
    attempt: int


class Seen(Struct, frozen=True):
    """All that the checker looks at."""

    history: History
    records: Mapping[str, list[Record]]
    events: list[Happened]
    """Of runs alone."""
    attempts: list[Attempted]
    witnessed: Mapping[int, tuple[str, bytes]]
    died: list[str]
    dead: list[Letter] = []
    waiting: list[str] = []
    """Orders that still were in the task queue when every run had ended."""
    slots: list[Happened] = []
    """Events of limits."""


class Witness:
    """Reads the log while faults befall it, and keeps what stood where: none of it may be gone or different later."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.found: dict[int, tuple[str, bytes]] = {}

    async def look(self) -> None:
        """Read what is new; what cannot be read now is read later."""
        try:
            for record in await records_of(self._store, max(self.found, default=0) + 1):
                self.found[record.position] = record.stream, record.digest
        except Unavailable:
            return


async def records_of(store: Store, start: int = 1) -> list[Record]:
    """The records of the log from a sequence on."""
    return [record_in(message) async for message in messages_of(store, "LOG", start)]


async def stored_in(store: Store) -> dict[int, float]:
    """When each record of the log was stored, by its position."""
    return {message.sequence: datetime.fromisoformat(message.headers[STORED]).timestamp() async for message in messages_of(store, "LOG")}


async def dead_letters_of(store: Store) -> list[Letter]:
    decode = msgspec.json.Decoder(Letter).decode
    return [decode(message.data) async for message in messages_of(store, "DLQ")]


async def messages_of(store: Store, part: str, start: int = 1) -> AsyncIterator[Message]:
    async for page in store.complete(part, store.subjects.tree(part.lower()), start):
        for message in page:
            yield message


def by_stream(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.stream, []).append(record)
    return found


def events_in(records: Iterable[Record], stored: Mapping[int, float], kind: str = "run") -> list[Happened]:
    """The events of one kind of actors, decoded without any knowledge of what they mean."""
    return [
        Happened(record.stream, record.first + offset, batch["epoch"], event, stored[record.position])
        for record in records
        if record.stream.startswith(f"{kind}/")
        for batch in [msgspec.json.decode(record.data)]
        for offset, event in enumerate(batch["events"])
    ]


def stream_of(run: str) -> str:
    """Ids here are made of letters, digits and '-', but for those of children, which clients never name."""
    return f"run/default/{run}"


def stream_of_attempt(run: str) -> str:
    """As `stream_of`; the slashes and points in the ids of children are escaped."""
    return stream_of("".join(one if one.isalnum() or one == "-" else f"_{ord(one):02x}" for one in run))
