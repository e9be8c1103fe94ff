"""The reading side: one read-only connection. Everything here runs on the reader thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from ...eventlog.errors import Corrupt
from ...eventlog.records import Record, Tail
from ...eventlog.snapshots import Snapshot
from .faults import explained, is_undecodable
from .rows import HEADS_OF, RECORD, RECORDS_BEHIND, SNAPSHOTS_OF, Row, lost_end, records_of, snapshot_of, summary_of
from .schema import connect_reader

STREAM = attrgetter("stream")

PAGE_ROWS = 512
PAGE_BYTES = 4 * 1024 * 1024

ALL_OF_STREAM = f"select {RECORD} from record where stream = ? and first > ? order by first"  # noqa: S608
OF_STREAM = f"{ALL_OF_STREAM} limit {PAGE_ROWS}"
BEHIND = f"select {RECORD} from record where position > ? order by position limit {PAGE_ROWS}"  # noqa: S608
SNAPSHOT_BEHIND = "select stream from snapshot where stream > ? order by stream limit 1"


class Reader:
    """Reads what is committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = connect_reader(path)
        except (sqlite3.Error, OSError) as error:
            raise explained(error, path) from error

    def rows(self, question: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._fetch(question, values, None)

    def load(self, after: Mapping[str, int]) -> dict[str, list[Record]]:
        """The records of many streams behind a version of each."""
        ends = self.proven_ends(after)
        found = self._of_many(after) if len(after) > 1 else {stream: self._of_one(stream, behind) for stream, behind in after.items()}
        for stream, end in ends.items():
            if (found[stream][-1].last if found[stream] else after[stream]) < end.version:
                found[stream].append(lost_end(end, stream))
        return found

    def _of_one(self, stream: str, after: int) -> list[Record]:
        """In the order of the index; of many streams SQLite sorts what it has found, which would cost a long one half as much again."""
        return records_of(self.rows(ALL_OF_STREAM, (stream, after)))

    def _of_many(self, after: Mapping[str, int]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {stream: [] for stream in after}
        wanted = list(chain.from_iterable(after.items()))
        for question, values in RECORDS_BEHIND.statements(wanted):
            for stream, records in groupby(records_of(self.rows(question, values)), key=STREAM):
                found[stream] += records
        return found

    def proven_ends(self, streams: Iterable[str]) -> dict[str, Tail]:
        """How far the streams have come at least, by their heads. Ask before reading the records: they can only be ahead.

        Records are found by an index, and a damaged index would shorten a stream without breaking its chain.
        """
        ends: dict[str, Tail] = {}
        for question, values in HEADS_OF.statements(list(streams)):
            for row in self.rows(question, values):
                with suppress(Corrupt):  # a damaged head proves nothing; whoever asks for it is told
                    summary = summary_of(row)
                    ends[summary.stream] = summary.tail
        return ends

    def page_of_stream(self, stream: str, after: int) -> list[Record]:
        return records_of(self._fetch(OF_STREAM, (stream, after), PAGE_BYTES))

    def page_behind(self, position: int) -> list[Record]:
        return records_of(self._fetch(BEHIND, (position,), PAGE_BYTES))

    def snapshots(self, streams: Iterable[str]) -> dict[str, Snapshot]:
        """The intact snapshots of these streams."""
        rows = chain.from_iterable(self.rows(question, values) for question, values in SNAPSHOTS_OF.statements(list(streams)))
        return {snapshot.stream: snapshot for row in rows if (snapshot := snapshot_of(row)) is not None}

    def snapshot_behind(self, stream: str) -> str | None:
        """The next stream, in their order, that has a snapshot, intact or not."""
        rows = self._fetch(SNAPSHOT_BEHIND, (stream,), None)
        return rows[0][0] if rows else None

    def close(self) -> None:
        self._db.close()

    def _fetch(self, question: str, values: Sequence[Any], bytes_max: int | None) -> list[Row]:
        try:
            return self._rows(question, values, bytes_max)
        except sqlite3.Error as error:
            if not is_undecodable(error):
                raise explained(error, self.path) from error
        self._db.text_factory = lenient  # a damaged text fails its check, and harms no other row
        return self._fetch(question, values, bytes_max)

    def _rows(self, question: str, values: Sequence[Any], bytes_max: int | None) -> list[Row]:
        """The rows; with `bytes_max`, so many of them that their data (the sixth column) does not pass it by more than one row."""
        cursor = self._db.execute(question, values)
        if bytes_max is None:
            return cursor.fetchall()
        rows: list[Row] = []
        for row in cursor:
            rows.append(row)
            bytes_max -= len(row[5]) if isinstance(row[5], bytes | str) else 0
            if bytes_max < 0:
                break
        cursor.close()
        return rows


def lenient(raw: bytes) -> str:
    return raw.decode(errors="replace")
