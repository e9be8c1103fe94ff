"""Rows and what they mean: records, heads and snapshots as the tables keep them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import starmap
from typing import Any, TypeAlias

import msgspec

from ...eventlog.errors import Corrupt
from ...eventlog.log import Summary
from ...eventlog.records import Append, Head, Record, Tail
from ...eventlog.snapshots import Snapshot

Row: TypeAlias = tuple[Any, ...]

RECORD = "stream, first, last, previous, digest, data, position"
HEAD = "stream, version, digest, status, wake_at, title, started_at, changed_at, attributes, seal"
SNAPSHOT = "stream, version, digest, state_version, data, seal"

RECORD_TYPES = (str, int, int, bytes, bytes, bytes, int)
ROWS_MAX = 256


def record_of(row: Row) -> Record:
    """The record in a row; a damaged row gives one that fails its check, and harms no other."""
    if (*map(type, row),) != RECORD_TYPES:
        row = (*map(coerced, row, RECORD_TYPES),)
    return Record(*row)


def records_of(rows: Sequence[Row]) -> list[Record]:
    """The records in many rows: their types are looked at column by column, which costs a third of doing it row by row."""
    columns = zip(zip(*rows, strict=True), RECORD_TYPES, strict=False)
    if all({*map(type, column)} == {wanted} for column, wanted in columns):
        return list(starmap(Record, rows))
    return list(map(record_of, rows))


def coerced(value: Any, wanted: type) -> Any:
    """The value as the type that a damaged row should have held."""
    if wanted is int:
        return int(value) if isinstance(value, int | float) and abs(value) < 2**63 else -1
    raw = value if isinstance(value, bytes) else str(value).encode()
    return raw if wanted is bytes else raw.decode(errors="replace")


def head_row(stream: str, tail: Tail, head: Head) -> Row:
    row = (stream, tail.version, tail.digest, head.status, head.wake_at, head.title, head.started_at, head.changed_at, head.attributes)
    return (*row, seal_of_row(row))


def summary_of(row: Row) -> Summary:
    """The summary in a row whose seal fits it; else Corrupt."""
    *fields, seal = row
    if seal_of_row(fields) != seal:
        raise damaged_head(str(row[0]))
    stream, version, digest, status, wake_at, title, started_at, changed_at, attributes = fields
    return Summary(stream, Tail(version, digest), Head(status, wake_at, title, started_at, changed_at, attributes))


def seal_of_row(fields: Sequence[Any]) -> bytes:
    """A digest over all fields of a row, each with its type and length."""
    return sha256(msgspec.msgpack.encode(fields)).digest()


def damaged_head(stream: str) -> Corrupt:
    return Corrupt(
        "a head does not hold what was written to it",
        who=stream,
        where="table head",
        expected="a row that fits its seal",
        found="another content",
        instead="run 'perdure log rebuild': heads are made anew from the log, which is untouched",
    )


def lost_end(tail: Tail, stream: str) -> Record:
    """Stands for records that a head proves and an index no longer finds: it fails every check, and harms no other stream."""
    return Record(stream, tail.version, tail.version, b"", tail.digest, b"")


def snapshot_row(snapshot: Snapshot) -> Row:
    return (snapshot.stream, snapshot.tail.version, snapshot.tail.digest, snapshot.state_version, snapshot.data, snapshot.seal)


def snapshot_of(row: Row) -> Snapshot | None:
    """The snapshot in a row; None if it is damaged, because it is only a cache."""
    stream, version, digest, state_version, data, seal = row
    if not isinstance(stream, str) or not isinstance(digest, bytes) or not isinstance(data, bytes):
        return None
    snapshot = Snapshot(stream, Tail(version, digest), state_version, data, seal)
    return snapshot if snapshot.intact else None


class Insert:
    """Inserts many rows with few statements: chunks of 256, then powers of two, so that the statement cache stays small.

    One row per execution would hand over the interpreter lock at each row.
    """

    def __init__(self, table: str, columns: str, otherwise: str = "") -> None:
        self.width = columns.count(",") + 1
        row = f"({', '.join('?' * self.width)})"
        self._statements = {
            count: f"insert into {table} ({columns}) values {', '.join([row] * count)} {otherwise}"  # noqa: S608
            for count in (1 << power for power in range(ROWS_MAX.bit_length()))
        }

    def __call__(self, db: sqlite3.Connection, values: Sequence[Any]) -> None:
        """Insert the rows whose values stand one after another in `values`."""
        for start, count in chunks(len(values) // self.width):
            db.execute(self._statements[count], values[start * self.width : (start + count) * self.width])


def chunks(rows: int) -> Iterator[tuple[int, int]]:
    """(start, count) of pieces that cover so many rows, each count a power of two up to 256."""
    start = 0
    while start < rows:
        count = min(ROWS_MAX, 1 << ((rows - start).bit_length() - 1))
        yield start, count
        start += count


INSERT_RECORDS = Insert("record", "position, stream, first, last, previous, digest, data")
UPSERT_HEADS = Insert(
    "head",
    HEAD,
    "on conflict (stream) do update set "
    + ", ".join(f"{column} = excluded.{column}" for column in HEAD.split(", ") if column != "stream"),
)
REPLACE_SNAPSHOTS = Insert(
    "snapshot",
    SNAPSHOT,
    "on conflict (stream) do update set "
    + ", ".join(f"{column} = excluded.{column}" for column in SNAPSHOT.split(", ") if column != "stream"),
)


class PerStream:
    """Asks the same question of many streams with few statements."""

    def __init__(self, question: str, width: int = 1) -> None:
        row = f"({', '.join('?' * width)})"
        self.width = width
        self._statements = {
            count: f"with wanted (stream{', behind' * (width - 1)}) as (values {', '.join([row] * count)}) {question}"
            for count in (1 << power for power in range(ROWS_MAX.bit_length()))
        }

    def statements(self, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Each statement and its values, for the streams whose values stand one after another."""
        for start, count in chunks(len(values) // self.width):
            yield self._statements[count], values[start * self.width : (start + count) * self.width]


TAILS = PerStream(
    "select record.stream, record.last, record.digest from wanted join record on record.position = "
    "(select position from record where stream = wanted.stream order by first desc limit 1)"
)
RECORDS_BEHIND = PerStream(
    f"select {RECORD} from wanted cross join record using (stream) where first > behind order by stream, first", 2  # noqa: S608
)
HEADS_OF = PerStream(f"select {HEAD} from wanted cross join head using (stream)")  # noqa: S608
SNAPSHOTS_OF = PerStream(f"select {SNAPSHOT} from wanted cross join snapshot using (stream)")  # noqa: S608


def append_row(append: Append, position: int) -> Row:
    expected, tail = append.expected, append.tail
    return (position, append.stream, expected.version + 1, tail.version, expected.digest, tail.digest, append.data)
