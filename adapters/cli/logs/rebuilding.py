"""`perdure log rebuild`: heads are a fold of the log, so they can be dropped and folded anew."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from ....eventlog.log import Carrier, Summary
from ....eventlog.records import EMPTY, Head, Record, Tail, verified
from ....eventlog.streams import parts_of
from ....runtime.authoring.workflows import Registry
from ....runtime.kinds.limit import Limits
from ....runtime.kinds.quarantine import Quarantine
from ....runtime.kinds.registry import AnyKind, by_name
from ....runtime.run.runs import Runs
from ...compose import nats_or_say_so
from ...deciding_by_facts import PerformsNothing
from ...sqlite.open import open_sqlite
from ...sqlite.reader import Reader
from ...urls import is_in_nats
from ..shared.places import path_of, url_of


class Rebuilt(Struct, frozen=True):
    """How many heads there are now, and how many records they were folded from."""

    path: str
    heads: int
    records: int


class Folded(Struct):
    """An actor on its way through its records, and its head as it was written last."""

    state: Any
    tail: Tail = EMPTY
    head: Head | None = None
    written: Tail = EMPTY


async def rebuild(log: str | Path) -> Rebuilt:
    """Fold every head from the log, and put these in the place of those that are there; Corrupt where a chain does not hold."""
    async with opened(str(log)) as (place, carrier, records):
        limits, quarantine = Limits(lambda stream, state: None, lambda stream, due: None), Quarantine(lambda stream: None)
        kinds: Mapping[str, AnyKind] = by_name(Runs(Registry(()), PerformsNothing()), limits, quarantine)
        folded: dict[str, Folded] = {}
        count = 0
        async for record in records:
            count += 1
            if (kind := kinds.get(parts_of(record.stream)[0])) is not None:
                fold(kind, folded.setdefault(record.stream, Folded(kind.initial(record.stream))), record)
        summaries = [Summary(stream, of.written, of.head) for stream, of in folded.items() if of.head is not None]
        await carrier.heads.rebuild(summaries)
    return Rebuilt(place, len(summaries), count)


def opened(log: str) -> AbstractAsyncContextManager[tuple[str, Carrier, AsyncIterator[Record]]]:
    """Where a log is, its carrier, and all records in their order; nobody else may serve it."""
    url = url_of(log)
    if not is_in_nats(url):
        return _opened_file(path_of(log))
    with nats_or_say_so():
        from ...nats.alone import open_alone
    return open_alone(url)


@asynccontextmanager
async def _opened_file(path: Path) -> AsyncGenerator[tuple[str, Carrier, AsyncIterator[Record]]]:
    async with open_sqlite(path) as carrier:
        with closing(Reader(path)) as reader:
            async with aclosing(_every_record(reader)) as records:
                yield str(path), carrier, records


async def _every_record(reader: Reader) -> AsyncGenerator[Record]:
    position = 0
    while page := reader.page_behind(position):
        for record in page:
            yield record
        position = page[-1].position


def fold(kind: AnyKind, of: Folded, record: Record) -> None:
    """One record further, as the live actor took it: a head is written where it changes."""
    next(verified(record.stream, of.tail, [record]))
    batch = kind.codec.decode(record.data)
    for event in batch.events:
        of.state = kind.evolve(of.state, event, batch.at)
    of.tail = record.tail
    head = kind.head(of.state, of.head)
    if head is not of.head:
        of.head, of.written = head, record.tail
