"""The whole file, held against everything that is known of it. Read-only, and beside a process that holds it, too.

What reading a run cannot see is seen here: a record that is missing at the end, a head that is ahead of its stream,
an index that has lost an entry, a file that is older than its anchor.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio.to_thread

from ...eventlog.blobs import Blob, Named, named_in, speaks_of_blobs
from ...eventlog.errors import Corrupt, NotFound
from ...eventlog.log import Carrier
from ...eventlog.records import EMPTY, Record, Tail, verified
from ...eventlog.report import Report
from .anchor import START, Mark, anchored
from .attributes import ALL as ALL_ATTRIBUTES
from .attributes import Stored, rows_of
from .blob_rows import damage_of
from .faults import explained
from .log import SqliteLog
from .reader import lenient
from .rows import HEAD, RECORD, SNAPSHOT, record_of, snapshot_of, summary_of
from .schema import connect_reader, placed
from .transactions import ALL as ALL_OUTCOMES
from .transactions import checked as checked_outcome


async def verify_log(log: Carrier | str | Path) -> Report:
    """Check the whole file of an open carrier, or at a path, on a worker thread."""
    if isinstance(log, Carrier):
        assert isinstance(log.log, SqliteLog), "only a log in a file can be verified as a file"
        return await anyio.to_thread.run_sync(verify_file, log.log.path)
    return await anyio.to_thread.run_sync(verify_file, log)


def verify_file(path: str | Path) -> Report:
    """Check the whole file; what is wrong is in the report, not raised."""
    place = placed(path)
    if not place.exists():
        raise NotFound("there is no log", who="perdure log verify", where=str(place), instead="correct the path")
    report = Report(str(place))
    mark = anchored(place)  # read first: it can only be behind the records read after it
    try:
        with closing(connect_reader(place)) as db:
            db.text_factory = lenient
            db.execute("begin")
            verify_pages(db, report)
            tails = verify_records(db, report, mark)
            verify_heads(db, report, tails)
            verify_attributes(db, report)
            verify_snapshots(db, report)
            verify_blobs(db, report)
            verify_outcomes(db, report)
    except sqlite3.Error as error:
        report.found("", str(place), explained(error, place).message + f": {error}")
    except Corrupt as error:
        report.found("", error.where, f"{error.message}: {error.found}")
    return report


def verify_pages(db: sqlite3.Connection, report: Report) -> None:
    """SQLite's own view of tables and indexes."""
    for (line,) in db.execute("pragma integrity_check"):
        if line != "ok":
            report.found("", "integrity_check", str(line))


def verify_records(db: sqlite3.Connection, report: Report, mark: Mark | None) -> dict[str, Tail]:
    """Every record in the order of positions: no gap, every chain, the anchor; where each stream ends."""
    tails: dict[str, Tail] = {}
    place = START
    for record in records(db):
        if record.position != report.position + 1:
            report.found(record.stream, f"position {report.position + 1}", f"missing: the next record has position {record.position}")
        try:
            next(verified(record.stream, tails.get(record.stream, EMPTY), [record]))
        except Corrupt as error:
            report.found(record.stream, error.where, f"{error.message}: expected {error.expected}, found {error.found}")
        tails[record.stream] = record.tail
        report.position = record.position
        report.records += 1
        report.events += record.last - record.first + 1
        place = place.moved([record.digest])
        if mark is not None and record.position == mark.position and (place.running != mark.running or record.digest != mark.digest):
            report.found("", f"position {mark.position}", "the records up to here are not those that the anchor was made from")
    report.streams, report.running = len(tails), place.running.hex()
    verify_anchor(report, mark)
    return tails


def verify_anchor(report: Report, mark: Mark | None) -> None:
    if mark is None:
        if report.records:
            report.found("", "anchor", "the anchor file is missing or damaged")
        return
    report.anchored = mark.position
    if report.position < mark.position:
        report.found("", "anchor", f"the log ends at position {report.position}, its anchor is at {mark.position}: the end is cut off")


def verify_heads(db: sqlite3.Connection, report: Report, tails: dict[str, Tail]) -> None:
    """Every head fits its seal, and its stream reaches it."""
    for row in db.execute(f"select {HEAD} from head"):  # noqa: S608
        report.heads += 1
        try:
            summary = summary_of(row)
        except Corrupt as error:
            report.found(error.who, error.where, error.message)
            continue
        tail = tails.get(summary.stream, EMPTY)
        if summary.tail.version > tail.version or (summary.tail.version == tail.version and summary.tail != tail):
            what = f"the head was written at version {summary.tail.version}, the stream ends at {tail.version}"
            report.found(summary.stream, "table head", what)


def verify_attributes(db: sqlite3.Connection, report: Report) -> None:
    """The index of attributes holds what the heads say: not more, and above all not less."""
    due: set[tuple[str, str, Stored]] = set()
    for stream, attributes in db.execute("select stream, attributes from head where attributes <> x'7b7d'"):
        due |= rows_of(str(stream), bytes(attributes) if isinstance(attributes, bytes) else b"{}")
    there = {(str(name), str(stream), value) for stream, name, value in db.execute(ALL_ATTRIBUTES)}
    for what, rows in (("its value is missing in the index", due - there), ("the head has no such value", there - due)):
        for name, stream, _ in sorted(rows, key=str):
            report.found(stream, "table attribute", f"attribute {name!r}: {what}; 'perdure log rebuild' mends it")


def verify_snapshots(db: sqlite3.Connection, report: Report) -> None:
    for row in db.execute(f"select {SNAPSHOT} from snapshot"):  # noqa: S608
        report.snapshots += 1
        if snapshot_of(row) is None:
            report.found(str(row[0]), "table snapshot", "the snapshot is damaged; runs are folded without it")


def verify_blobs(db: sqlite3.Connection, report: Report) -> None:
    """Every blob that an event names, and none has released since, is there and whole."""
    streams: defaultdict[str, Named] = defaultdict(Named)
    since: dict[tuple[str, Blob], int] = {}
    for record in records(db):
        if speaks_of_blobs(record.data):
            streams[record.stream].take(record.data)
            for blob in named_in(record.data):
                since.setdefault((record.stream, blob), record.first)
    for stream, named in streams.items():
        for blob in named.kept:
            report.blobs += 1
            if what := damage_of(db, stream, blob):
                report.found(stream, f"version {since[stream, blob]}, blob {blob.digest[:12]}", what)


def verify_outcomes(db: sqlite3.Connection, report: Report) -> None:
    """Every kept outcome of a transactional step fits its seal; a file that no runtime opened since there are such has no table of them."""
    if not db.execute("select 1 from sqlite_master where name = 'outcome'").fetchone():
        return
    for key, *row in db.execute(ALL_OUTCOMES):
        report.outcomes += 1
        try:
            checked_outcome(str(key), *row)
        except Corrupt as error:
            report.found(error.who, error.where, error.message)


def records(db: sqlite3.Connection) -> Iterator[Record]:
    return map(record_of, db.execute(f"select {RECORD} from record order by position"))  # noqa: S608
