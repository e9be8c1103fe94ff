"""The writing side: the one connection that changes the file. Everything here runs on the writer thread.

The lock is really checked: an append is accepted only if its stream ends at the expected tail, version and digest, in
the same transaction as the insert. Any error makes the outcome unknown; what is on the disk is read anew before the next write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from ...eventlog.errors import Conflict
from ...eventlog.log import Summary
from ...eventlog.memory import conflict
from ...eventlog.records import EMPTY, Append, Tail
from ...eventlog.snapshots import Snapshot
from .anchor import BLOCK_RECORDS, START, Anchor, Place, anchored, cut
from .attributes import AttributeIndex
from .blob_rows import forget_unfinished
from .faults import damaged, ends_trust, explained, latched
from .lending import Lendable
from .rows import INSERT_RECORDS, REPLACE_SNAPSHOTS, TAILS, UPSERT_HEADS, Row, append_row, head_row, snapshot_row
from .schema import add, connect_writer, create, is_empty

T = TypeVar("T")

TAILS_MAX = 16_384


class Judged(Struct, gc=False):
    """What becomes of a batch: an answer to each append, and what the accepted ones write."""

    answers: list[Tail | Conflict]
    tails: dict[str, Tail]
    digests: list[bytes]
    records: list[Any]
    heads: dict[str, Row]


class Writer:
    """Opens the file for writing, and writes."""

    def __init__(self, path: Path, *, renew_anchor: bool = False) -> None:
        self.path = path
        self.place = START
        self.epoch = 0
        self.shut = ""
        """Why nothing may be written any more; empty while all is well."""
        self._tails: dict[str, Tail] = {}
        self._attributes = AttributeIndex()
        self._unsure = False
        with ExitStack() as opened:
            try:
                self._db = opened.enter_context(closing(connect_writer(path)))
                self.transact(partial(self._open, renew_anchor=renew_anchor))
                self._anchor = opened.enter_context(closing(Anchor(path)))
                self._anchor.start(self.place)
            except (sqlite3.Error, OSError) as error:
                raise explained(error, path) from error
            self._opened = opened.pop_all()

    def append(self, appends: Sequence[Append]) -> list[Tail | Conflict]:
        """One transaction for all of them; answered when it is on the disk."""
        judged = self.transact(partial(self._append, appends))
        if judged.digests:
            self._remember(judged.tails)
            self.place = self.place.moved(judged.digests)
            self._note_place()
        return judged.answers

    def rebuild_heads(self, summaries: Iterable[Summary]) -> None:
        def rebuild() -> None:
            self._db.execute("delete from head")
            heads = {s.stream: head_row(s.stream, s.tail, s.head) for s in summaries}
            UPSERT_HEADS(self._db, flat(heads.values()))
            self._attributes.rebuild(self._db, heads)
            self._tails.clear()

        self.transact(rebuild)

    def save_snapshots(self, snapshots: Iterable[Snapshot]) -> None:
        rows = {snapshot.stream: snapshot_row(snapshot) for snapshot in snapshots}
        self.transact(lambda: REPLACE_SNAPSHOTS(self._db, flat(rows.values())))

    def change(self, work: Callable[[Lendable], T]) -> T:
        """As `transact`, for work on tables that no other part of this writer knows."""
        return self.transact(lambda: work(self._db))

    def transact(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in one transaction and durable."""
        if self.shut:
            raise latched(self.path, self.shut)
        try:
            self._db.execute("begin immediate")
            if self._unsure:
                self._catch_up()
            result = work()
            self._db.execute("commit")
        except BaseException as error:
            self._give_up(error)
            if isinstance(error, sqlite3.Error | OSError):
                raise explained(error, self.path) from error
            raise
        return result

    def idle(self) -> float | None:
        """Sync the anchor when it is due; the seconds until then."""
        try:
            return self._anchor.sync_when_due()
        except OSError as error:
            self.shut = str(error)
            return None

    def close(self) -> None:
        """Sync the anchor and close the file; as the last connection this also empties the WAL."""
        try:
            if not self.shut:
                self._anchor.sync()
        except OSError as error:
            raise explained(error, self.path) from error
        finally:
            self._opened.close()

    def _open(self, *, renew_anchor: bool) -> None:
        """Make the tables if there are none, hold the log against its anchor, and count the opening."""
        if is_empty(self._db):
            create(self._db)
        add(self._db)
        forget_unfinished(self._db)
        if not renew_anchor:
            self.place = self._proven_place()
        self._catch_up()
        self.epoch = self._count_opening()

    def _count_opening(self) -> int:
        """The number of this opening. It is kept twice, because it is in no chain: a wrong one would turn every run away."""
        self._db.execute("update meta set value = value + 1 where key in ('epoch', 'epoch again')")
        kept = dict(self._db.execute("select key, value from meta where key in ('epoch', 'epoch again')"))
        if kept.get("epoch") is None or kept["epoch"] != kept.get("epoch again"):
            raise damaged(self.path, f"{kept} as the number of openings, which is kept twice")
        return int(kept["epoch"])

    def _proven_place(self) -> Place:
        """The anchored place, if the log still holds what it held there; else Corrupt."""
        last = self._last_position()
        mark = anchored(self.path)
        if mark is None:
            if last:
                raise cut(self.path, "an anchor file with a whole slot beside the log", f"none, and {last} records")
            return START
        if last < mark.position:
            raise cut(self.path, f"at least {mark.position} records", f"{last} records")
        if mark.position and self._digests(mark.position - 1, mark.position) != [mark.digest]:
            raise cut(self.path, f"a record with digest {mark.digest.hex()[:12]} at position {mark.position}", "another one")
        start = mark.position - mark.position % BLOCK_RECORDS
        place = Place(start, mark.digest, mark.base).moved(self._digests(start, mark.position))
        if place.running != mark.running or place.position != mark.position:
            raise cut(self.path, f"running digest {mark.running.hex()[:12]} at position {mark.position}", place.running.hex()[:12])
        return place

    def _catch_up(self) -> None:
        """Go on to the last record that is really there."""
        last = self._last_position()
        self.place = self.place.moved(self._digests(self.place.position, last))
        if last != self.place.position:
            raise cut(self.path, f"{last} records without a gap", f"{self.place.position} records")
        self._unsure = False

    def _last_position(self) -> int:
        return int(self._db.execute("select coalesce(max(position), 0) from record").fetchone()[0])

    def _digests(self, after: int, to: int) -> list[bytes]:
        rows = self._db.execute("select digest from record where position > ? and position <= ? order by position", (after, to))
        return [row[0] for row in rows]

    def _append(self, appends: Sequence[Append]) -> Judged:
        judged = self._judge(appends)
        INSERT_RECORDS(self._db, judged.records)
        if judged.heads:
            UPSERT_HEADS(self._db, flat(judged.heads.values()))
            self._attributes.write(self._db, judged.heads)
        return judged

    def _judge(self, appends: Sequence[Append]) -> Judged:
        """Hold each append against the tail of its stream, as the appends before it leave it."""
        known, position = self._tails, self.place.position
        if missing := [append.stream for append in appends if append.stream not in known]:
            known.update(self._find_tails(missing))
        judged = Judged([], {}, [], [], {})
        answers, fresh, digests, records = judged.answers, judged.tails, judged.digests, judged.records
        for append in appends:
            stream, tail = append.stream, append.tail
            found = fresh.get(stream) or known[stream]
            if found is not append.expected and found != append.expected:
                answers.append(conflict(append, found))
                continue
            position += 1
            records += append_row(append, position)
            digests.append(tail.digest)
            fresh[stream] = tail
            answers.append(tail)
            if append.head is not None:
                judged.heads[stream] = head_row(stream, tail, append.head)
        return judged

    def _find_tails(self, streams: Sequence[str]) -> dict[str, Tail]:
        """Where the streams end on the disk; EMPTY for one that does not exist."""
        tails = dict.fromkeys(streams, EMPTY)
        for statement, values in TAILS.statements(tuple(tails)):
            for stream, version, digest in self._db.execute(statement, values):
                tails[stream] = Tail(version, digest)
        if exist := [stream for stream, tail in tails.items() if tail is not EMPTY]:
            self._attributes.learn(self._db, exist)
        return tails

    def _remember(self, tails: dict[str, Tail]) -> None:
        """Keep the tails just committed; a full memory is emptied, which costs a query each."""
        if len(self._tails) + len(tails) > TAILS_MAX:
            self._tails.clear()
            self._attributes.forget(but=tails)
        self._tails.update(tails)

    def _note_place(self) -> None:
        try:
            self._anchor.write(self.place)
        except OSError as error:
            self._give_up(error)
            raise explained(error, self.path) from error

    def _give_up(self, error: BaseException) -> None:
        """After any error nothing that is remembered counts; after some nothing may be written any more."""
        self._tails.clear()
        self._attributes.forget()
        self._unsure = True
        if ends_trust(error):
            self.shut = str(error)
        try:
            if self._db.in_transaction:
                self._db.execute("rollback")
        except sqlite3.Error as worse:
            self.shut = self.shut or str(worse)


def flat(rows: Iterable[Row]) -> list[Any]:
    """The values of all rows, one after another."""
    values: list[Any] = []
    for row in rows:
        values += row
    return values

