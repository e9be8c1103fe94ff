"""The index of attributes: who has this value? One row for each searchable attribute of each head, in the transaction of the head.

It only says where to look: every answer is held against the head itself, which carries a seal. So a row too many
harms nobody, and a row too few is what `perdure log verify` finds and `perdure log rebuild` mends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ...eventlog.search import NOTHING, Condition, Scalar, searchable
from .rows import HEAD, PerStream, Row

Stored: TypeAlias = str | int | float | bytes

ATTRIBUTES = HEAD.split(", ").index("attributes")

OF_STREAMS = PerStream("select stream, attributes from wanted cross join head using (stream) where attributes <> x'7b7d'")
ALL = "select stream, name, value from attribute"
CLEAR = "delete from attribute"
ADD = "insert or replace into attribute (name, value, stream) values (?, ?, ?)"
TAKE = "delete from attribute where name = ? and value = ? and stream = ?"

ALSO = "exists (select 1 from attribute as other where other.name = ? and other.value = ? and other.stream = attribute.stream)"

TRUTHS = {False: b"\x00", True: b"\x01"}
"""SQLite has no truths of its own: blobs stand for them, which it compares with no number and no text."""

BOUNDS: dict[tuple[type, str], str] = {
    (str, "<"): "value >= '' and value < ?",
    (str, "<="): "value >= '' and value <= ?",
    (str, ">"): "value > ? and value < x''",
    (str, ">="): "value >= ? and value < x''",
    (float, ">"): "value > ? and value < ''",
    (float, ">="): "value >= ? and value < ''",
}
"""SQLite puts every number before every text and every text before every blob: a comparison must not run on into the next kind."""


def stored(value: Scalar) -> Stored:
    return TRUTHS[value] if isinstance(value, bool) else value


def rows_of(stream: str, attributes: bytes) -> set[tuple[str, str, Stored]]:
    """The rows of one head. Stored values of different kinds are never equal in Python either."""
    return {(name, stream, stored(value)) for name, value in searchable(attributes).items()}


class AttributeIndex:
    """What the writer remembers of attributes, so that it writes rows only where they change."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        """The attributes of streams that have any, of all streams whose tails the writer remembers."""

    def learn(self, db: sqlite3.Connection, streams: Iterable[str]) -> None:
        """Read the attributes of streams that exist and that nothing is remembered of."""
        for statement, values in OF_STREAMS.statements(tuple(streams)):
            self._known.update((stream, found) for stream, found in db.execute(statement, values) if isinstance(found, bytes))

    def write(self, db: sqlite3.Connection, heads: Mapping[str, Row]) -> None:
        """Follow heads that are written in this transaction; no statement where their attributes are as before."""
        known = self._known
        changed = [(stream, row[ATTRIBUTES]) for stream, row in heads.items() if known.get(stream, NOTHING) != row[ATTRIBUTES]]
        if not changed:
            return
        old = {row for stream, _ in changed for row in rows_of(stream, known.get(stream, NOTHING))}
        new = {row for stream, attributes in changed for row in rows_of(stream, attributes)}
        db.executemany(TAKE, [(name, value, stream) for name, stream, value in old - new])
        db.executemany(ADD, [(name, value, stream) for name, stream, value in new - old])
        known.update(changed)

    def rebuild(self, db: sqlite3.Connection, heads: Mapping[str, Row]) -> None:
        """Drop every row, and make those of these heads, which are all there are."""
        self.forget()
        db.execute(CLEAR)
        self.write(db, heads)
        self.forget()

    def forget(self, *, but: Iterable[str] = ()) -> None:
        kept = {stream: self._known[stream] for stream in but if stream in self._known}
        self._known.clear()
        self._known.update(kept)


def driving(where: Sequence[Condition]) -> Condition:
    """The condition that the index is asked with: one for a single value, where there is one, because it gives streams in their order."""
    return next((condition for condition in where if condition.op == "="), where[0])


def candidates(where: Sequence[Condition]) -> tuple[str, list[Any]]:
    """(what to select from, so that only heads are looked at that may meet the conditions; its values)."""
    first = driving(where)
    others = [condition for condition in where if condition.op == "=" and condition is not first]
    texts = [f"attribute.name = ? and {bound(first)}"]
    values: list[Any] = [first.name, stored(first.value)]
    for condition in others:
        texts.append(ALSO)
        values += [condition.name, stored(condition.value)]
    return f"attribute cross join head using (stream) where {' and '.join(texts)}", values


def bound(condition: Condition) -> str:
    kind = str if isinstance(condition.value, str) else float
    return BOUNDS.get((kind, condition.op), f"value {condition.op} ?")
