"""`perdure log rebuild`: heads are a fold of the log, so they can be dropped and folded anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Head, Record, Tail, verified
from ...eventlog.streams import parts_of
from ...runtime.authoring.workflows import Registry
from ...runtime.run.live import Run
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
    """A run on its way through its records, and its head as it was written last."""

    run: Run
    tail: Tail = EMPTY
    head: Head | None = None
    written: Tail = EMPTY


async def rebuild(path: Path) -> Rebuilt:
    """Fold every head from the log, and put these in the place of those that are there; Corrupt where a chain does not hold."""
    async with open_sqlite(path) as carrier:
        runs = Runs(Registry(()), Performs())
        folded: dict[str, Folded] = {}
        count = 0
        with closing(Reader(path)) as reader:
            for record in every_record(reader):
                count += 1
                if parts_of(record.stream)[0] == runs.name:
                    fold(runs, folded.setdefault(record.stream, Folded(runs.initial(record.stream))), record)
        summaries = [Summary(stream, of.written, of.head) for stream, of in folded.items() if of.head is not None]
        await carrier.heads.rebuild(summaries)
    return Rebuilt(str(path), len(summaries), count)


def every_record(reader: Reader) -> Iterator[Record]:
    position = 0
    while page := reader.page_behind(position):
        yield from page
        position = page[-1].position


def fold(runs: Runs, of: Folded, record: Record) -> None:
    """One record further, as the live run took it: a head is written where it changes."""
    next(verified(record.stream, of.tail, [record]))
    batch = runs.codec.decode(record.data)
    for event in batch.events:
        of.run = runs.evolve(of.run, event, batch.at)
    of.tail = record.tail
    head = runs.head(of.run, of.head)
    if head is not of.head:
        of.head, of.written = head, record.tail
