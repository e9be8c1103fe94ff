"""Embedding a collection, for the first time or by another embedding. Searches see the vectors of before until all new ones are there.

The new ones are made beside them, a transaction for each document, so that others may ingest meanwhile, and a process that was killed
goes on where it was. A document that comes meanwhile has none of them yet, and so is among those that are asked for last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from ...eventlog.errors import Conflict
from .embeddings.embedding import Vectors
from .embeddings.finding import vectors_by
from .index import PASSAGES, made_by, number_of, reading, table_of, transaction, vectors_of, writing
from .keeping import put_vectors, said_by, with_vectors, without_vectors

NONE = "none"
"""The wish for no embedding: words alone."""
AT_ONCE = 32
"""Documents that are asked for at once."""


class Embedded(Struct, frozen=True):
    """How a collection stands now; `embedding` is empty where its passages have no vectors."""

    collection: str
    embedding: str
    documents: int
    passages: int


def embed(place: Path, tenant: str, collection: str, wish: str, *, told: Callable[[int], None] | None = None) -> Embedded:
    """Give the passages of a collection vectors by an embedding, in the place of others; by `none` take them away.

    `told` hears how many documents are done. Conflict where somebody else begins with another embedding meanwhile.
    """
    with reading(place) as db:  # where there is no index, or no such collection, nothing is loaded
        number_of(db, tenant, collection)
    vectors = None if wish == NONE else vectors_by(wish)
    with writing(place) as db:
        number = number_of(db, tenant, collection)
        if vectors is None:
            with transaction(db):
                without_vectors(db, number)
        else:
            _all(db, number, wish, vectors, told)
        asked = "select count(*), coalesce(sum(passages), 0) from document where collection = ?"
        return Embedded(collection, "" if vectors is None else vectors.name, *db.execute(asked, (number,)).fetchone())


def _all(db: sqlite3.Connection, number: int, wish: str, vectors: Vectors, told: Callable[[int], None] | None) -> None:
    with transaction(db):
        begun = made_by(db, number, ready=False)
        if begun is None or begun.name != vectors.name:
            with_vectors(db, number, wish, vectors, ready=False)
        db.execute("update embedding set wish = ? where collection = ? and not ready", (wish, number))
    count = 0
    while waiting := _waiting(db, number, vectors):
        for document in waiting:
            _one(db, number, document, vectors)
            count += 1
            if told is not None:
                told(count)


def _waiting(db: sqlite3.Connection, number: int, vectors: Vectors) -> list[int]:
    """Documents that have no new vectors yet. Where there is none, the new ones take the place of those of before."""
    with transaction(db):
        if not _is_ours(db, number, vectors):
            return []
        lacking = (
            "select id from document d where collection = ? and passages > 0 and not exists "  # noqa: S608 - a number of our own
            f"(select 1 from {vectors_of(number, ready=False)} where passage = d.id << {PASSAGES}) order by id limit {AT_ONCE}"
        )
        waiting = [id for (id,) in db.execute(lacking, (number,))]
        if not waiting:
            db.execute(f"drop table if exists {vectors_of(number)}")
            db.execute(f"alter table {vectors_of(number, ready=False)} rename to {vectors_of(number)}")
            db.execute("delete from embedding where collection = ? and ready", (number,))
            db.execute("update embedding set ready = 1 where collection = ?", (number,))
        return waiting


def _one(db: sqlite3.Connection, number: int, document: int, vectors: Vectors) -> None:
    first = document << PASSAGES
    asked = f"select title, text from {table_of(number)} where rowid >= ? and rowid < ? order by rowid"  # noqa: S608 - a number of our own
    rows = db.execute(asked, (first, first + (1 << PASSAGES))).fetchall()
    made = list(vectors.of([said_by(title, text) for title, text in rows]))
    with transaction(db):
        is_there = db.execute("select 1 from document where id = ?", (document,)).fetchone()
        if is_there and _is_ours(db, number, vectors) and not _is_done(db, number, first):
            put_vectors(db, number, first, made, ready=False)


def _is_done(db: sqlite3.Connection, number: int, first: int) -> bool:
    asked = f"select 1 from {vectors_of(number, ready=False)} where passage = ?"  # noqa: S608 - a number of our own
    return db.execute(asked, (first,)).fetchone() is not None


def _is_ours(db: sqlite3.Connection, number: int, vectors: Vectors) -> bool:
    """Whether this embedding is still to take the place of another. False where somebody else has brought that to its end."""
    begun, ready = made_by(db, number, ready=False), made_by(db, number)
    if begun is not None and begun.name == vectors.name:
        return True
    if begun is None and ready is not None and ready.name == vectors.name:
        return False
    raise Conflict("somebody else embeds the collection by another embedding", who="documents", where="embedding", expected=vectors.name,
                   found=begun.name if begun else "none", instead="agree on one, and embed again")
