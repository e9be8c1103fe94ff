"""`perdure log rebuild`: heads are a fold of the log, so they can be dropped and folded anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Head, Record, Tail, verified
from ...eventlog.streams import parts_of
from ...runtime.authoring.workflows import Registry
from ...runtime.kinds.limit import Limits
from ...runtime.kinds.registry import AnyKind
from ...runtime.run.runs import Runs
from ..sqlite.open import open_sqlite
from ..sqlite.reader import Reader
from .messages import Performs


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


async def rebuild(path: Path) -> Rebuilt:
    """Fold every head from the log, and put these in the place of those that are there; Corrupt where a chain does not hold."""
    async with open_sqlite(path) as carrier:
        runs = Runs(Registry(()), Performs())
        kinds: Mapping[str, AnyKind] = {kind.name: kind for kind in (runs, Limits(lambda stream, state: None, lambda stream, due: None))}
        folded: dict[str, Folded] = {}
        count = 0
        with closing(Reader(path)) as reader:
            for record in every_record(reader):
                count += 1
                if (kind := kinds.get(parts_of(record.stream)[0])) is not None:
                    fold(kind, folded.setdefault(record.stream, Folded(kind.initial(record.stream))), record)
        summaries = [Summary(stream, of.written, of.head) for stream, of in folded.items() if of.head is not None]
        await carrier.heads.rebuild(summaries)
    return Rebuilt(str(path), len(summaries), count)


def every_record(reader: Reader) -> Iterator[Record]:
    position = 0
    while page := reader.page_behind(position):
        yield from page
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
