"""What is kept of a collection: its tables, its documents whole, and, where it has an embedding, a vector for each passage."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence

from msgspec import Struct

from ...eventlog.errors import Conflict
from .embeddings.embedding import Vectors, packed
from .index import PASSAGES, made_by, table_of, transaction, vectors_of

TOGETHER = 64
"""Vectors in a row of their table."""


class Row(Struct, frozen=True):
    """A passage on its way into the index. `start`: characters from the beginning of what the document says; `line`: of its source."""

    title: str
    text: str
    start: int
    line: int


class Document(Struct, frozen=True):
    """A document on its way into the index, with a vector for each passage, or with none."""

    source: str
    title: str
    digest: str
    characters: int
    rows: Sequence[Row]
    vectors: Sequence[array[float]] = ()


def said_by(title: str, text: str) -> str:
    """What is embedded of a passage."""
    return f"{title}\n{text}"


def numbered(db: sqlite3.Connection, tenant: str, name: str) -> int:
    """The number of a collection, which is made where there is none."""
    found = db.execute("select id from collection where tenant = ? and name = ?", (tenant, name)).fetchone()
    if found is not None:
        return int(found[0])
    number = db.execute("insert into collection (tenant, name) values (?, ?)", (tenant, name)).lastrowid
    assert number is not None
    db.execute(f"create virtual table {table_of(number)} using fts5 "
               "(title, text, start unindexed, line unindexed, tokenize = 'porter unicode61 remove_diacritics 2')")
    return number


def with_vectors(db: sqlite3.Connection, number: int, wish: str, vectors: Vectors, *, ready: bool = True) -> None:
    """Let a collection have vectors by an embedding: those that searches see, or those that are to take their place."""
    db.execute(f"drop table if exists {vectors_of(number, ready=ready)}")
    db.execute(f"create table {vectors_of(number, ready=ready)} (passage integer primary key, value blob not null)")
    into = "insert or replace into embedding (collection, ready, wish, name, dimensions) values (?, ?, ?, ?, ?)"
    db.execute(into, (number, ready, wish, vectors.name, vectors.dimensions))


def without_vectors(db: sqlite3.Connection, number: int) -> None:
    """Let a collection have vectors no more, nor any that were to come."""
    for ready in (True, False):
        db.execute(f"drop table if exists {vectors_of(number, ready=ready)}")
    db.execute("delete from embedding where collection = ?", (number,))


def put(db: sqlite3.Connection, number: int, document: Document, vectors: Vectors | None) -> bool:
    """Keep a document in the place of the one with its source; whether there was one.

    Conflict where the collection has another embedding by now than the one that made the vectors.
    """
    with transaction(db):
        made = made_by(db, number)
        if (made.name if made else "") != (vectors.name if vectors else ""):
            raise Conflict("the collection has another embedding by now", who="documents", where=document.source,
                           expected=vectors.name if vectors else "no embedding", found=made.name if made else "none",
                           instead="ingest again: what is done is not done again")
        was_there = taken_out(db, number, document.source)
        row = "insert into document (collection, source, title, digest, passages, characters) values (?, ?, ?, ?, ?, ?)"
        values = (number, document.source, document.title, document.digest, len(document.rows), document.characters)
        id = db.execute(row, values).lastrowid
        assert id is not None
        assert len(document.rows) < 1 << PASSAGES, "a file has fewer bytes"
        first = id << PASSAGES
        into = f"insert into {table_of(number)} (rowid, title, text, start, line) values (?, ?, ?, ?, ?)"  # noqa: S608 - a number of our own
        db.executemany(into, [(first + n, row.title, row.text, row.start, row.line) for n, row in enumerate(document.rows)])
        put_vectors(db, number, first, document.vectors)
        return was_there


def put_vectors(db: sqlite3.Connection, number: int, first: int, vectors: Sequence[array[float]], *, ready: bool = True) -> None:
    """Keep vectors of the passages from `first` on, many in a row: a search reads all of them, and rows are what costs it time."""
    into = f"insert into {vectors_of(number, ready=ready)} (passage, value) values (?, ?)"  # noqa: S608 - a number of our own
    for place in range(0, len(vectors), TOGETHER):
        db.execute(into, (first + place, b"".join(map(packed, vectors[place : place + TOGETHER]))))


def taken_out(db: sqlite3.Connection, number: int, source: str) -> bool:
    """Remove a document, its passages and their vectors; whether there was one."""
    found = db.execute("delete from document where collection = ? and source = ? returning id", (number, source)).fetchone()
    if found is None:
        return False
    first = found[0] << PASSAGES
    behind = first + (1 << PASSAGES)
    db.execute(f"delete from {table_of(number)} where rowid >= ? and rowid < ?", (first, behind))  # noqa: S608 - a number of our own
    for ready in (True, False):
        if made_by(db, number, ready=ready) is not None:
            out_of = f"delete from {vectors_of(number, ready=ready)} where passage >= ? and passage < ?"  # noqa: S608 - the same
            db.execute(out_of, (first, behind))
    return True


def dropped(db: sqlite3.Connection, number: int) -> int:
    """Remove a collection with all that is in it; how many documents that were."""
    without_vectors(db, number)
    db.execute(f"drop table {table_of(number)}")
    count = db.execute("delete from document where collection = ?", (number,)).rowcount
    db.execute("delete from collection where id = ?", (number,))
    return count
