"""Reading what is left: the records of the log as its server has them, and the journal of the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from perdure.adapters.nats.records.reader import record_in
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Unavailable
from perdure.eventlog.records import Record
from tests.chaos.flows import Attempted
from tests.chaos.history import History


class Happened(Struct, frozen=True):
    """An event of a run as data, where it stands, and the epoch that wrote it."""

    stream: str
    version: int
    epoch: int
    event: Mapping[str, Any]

    @property
    def type(self) -> str:
        name: str = self.event["type"]
        return name


class Seen(Struct, frozen=True):
    """All that the checker looks at."""

    history: History
    records: Mapping[str, list[Record]]
    events: list[Happened]
    """Of runs alone."""
    attempts: list[Attempted]
    witnessed: Mapping[int, tuple[str, bytes]]
    died: list[str]


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
    return [record_in(message) async for page in store.complete("LOG", store.subjects.tree("log"), start) for message in page]


def by_stream(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.stream, []).append(record)
    return found


def events_in(records: Iterable[Record]) -> list[Happened]:
    """The events of runs, decoded without any knowledge of what they mean."""
    return [
        Happened(record.stream, record.first + offset, batch["epoch"], event)
        for record in records
        if record.stream.startswith("run/")
        for batch in [msgspec.json.decode(record.data)]
        for offset, event in enumerate(batch["events"])
    ]


def attempts_in(journal: Path) -> list[Attempted]:
    decode = msgspec.json.Decoder(Attempted).decode
    return [decode(line) for line in journal.read_bytes().splitlines()] if journal.exists() else []
