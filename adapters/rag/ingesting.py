"""Taking documents into the index, a transaction each: whoever searches meanwhile sees a document as it was or as it is.

A document is known by its source, and what is in the index by its digest: one that has not changed is not read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from ...eventlog.errors import NotFound
from .files import Content, Unreadable, content_of, found_in, parts_of
from .index import PASSAGES, name_or_raise, number_of, reading, table_of, transaction, writing
from .markup import Part
from .passages import passages

SKIPPED_MAX = 100
"""So many are named; all are counted."""


class Skipped(Struct, frozen=True):
    """A file that was left out."""

    source: str
    why: str


class Removed(Struct, frozen=True):
    """How many documents a collection lost."""

    collection: str
    removed: int


class Ingested(Struct):
    """What became of the documents of one call, and how many the collection has."""

    collection: str
    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    left_out: int = 0
    documents: int = 0
    passages: int = 0
    skipped: list[Skipped] = []


def ingest(
    place: Path, tenant: str, collection: str, paths: Sequence[str], *, prune: bool = False, told: Callable[[int], None] | None = None
) -> Ingested:
    """Take in all documents below the paths. With `prune` those are removed whose source was below one of the paths, and is gone.

    A source is the path as it was given: ingest from the same folder each time, or by absolute paths. `told` hears how many are done.
    """
    done = Ingested(name_or_raise(collection))
    files = list(found_in(paths))
    with writing(place) as db:
        with transaction(db):
            number = _number(db, tenant, collection)
        known = dict(db.execute("select source, digest from document where collection = ?", (number,)))
        for count, file in enumerate(files, 1):
            _take(db, number, file, known, done)
            if told is not None:
                told(count)
        if prune:
            here = {file.as_posix() for file in files}
            for source in [each for each in known if each not in here and _is_below(each, paths)]:
                with transaction(db):
                    done.removed += _remove(db, number, source)
        done.documents, done.passages = db.execute(
            "select count(*), coalesce(sum(passages), 0) from document where collection = ?", (number,)
        ).fetchone()
    return done


def remove(place: Path, tenant: str, collection: str, sources: Sequence[str]) -> Removed:
    """Remove documents by their sources, all of them or, where one is not there, none (NotFound); without any the whole collection."""
    with reading(place):  # where there is no index, none is made
        pass
    with writing(place) as db, transaction(db):
        number = number_of(db, tenant, collection)
        if sources:
            return Removed(collection, sum(_remove_or_raise(db, number, collection, source) for source in dict.fromkeys(sources)))
        (count,) = db.execute("select count(*) from document where collection = ?", (number,)).fetchone()
        db.execute(f"drop table {table_of(number)}")
        db.execute("delete from document where collection = ?", (number,))
        db.execute("delete from collection where id = ?", (number,))
        return Removed(collection, count)


def _number(db: sqlite3.Connection, tenant: str, name: str) -> int:
    """The number of a collection, which is made where there is none."""
    found = db.execute("select id from collection where tenant = ? and name = ?", (tenant, name)).fetchone()
    if found is not None:
        return int(found[0])
    number = db.execute("insert into collection (tenant, name) values (?, ?)", (tenant, name)).lastrowid
    assert number is not None
    db.execute(f"create virtual table {table_of(number)} using fts5 "
               "(title, text, start unindexed, line unindexed, tokenize = 'porter unicode61 remove_diacritics 2')")
    return number


def _take(db: sqlite3.Connection, number: int, file: Path, known: dict[str, str], done: Ingested) -> None:
    source = file.as_posix()
    try:
        content = content_of(file)
        if known.get(source) == content.digest:
            done.same += 1
            return
        title, parts = parts_of(file, content.text)
    except Unreadable as error:
        done.left_out += 1
        if len(done.skipped) < SKIPPED_MAX:
            done.skipped.append(Skipped(source.encode(errors="replace").decode(), str(error)))
        return
    with transaction(db):
        if _remove(db, number, source):
            done.changed += 1
        else:
            done.added += 1
        _add(db, number, source, title, content, parts)


def _add(db: sqlite3.Connection, number: int, source: str, title: str, content: Content, parts: Sequence[Part]) -> None:  # noqa: PLR0917
    rows = [
        (part.title or title, part.text[start:end], part.start + start, part.line + part.text.count("\n", 0, start))
        for part in parts for start, end in passages(part.text)
    ]  # fmt: skip
    characters = sum(len(part.text) for part in parts)
    document = db.execute(
        "insert into document (collection, source, title, digest, passages, characters) values (?, ?, ?, ?, ?, ?)",
        (number, source, title, content.digest, len(rows), characters),
    ).lastrowid
    assert document is not None
    assert len(rows) < 1 << PASSAGES, "a file has fewer bytes"
    first = document << PASSAGES
    into = f"insert into {table_of(number)} (rowid, title, text, start, line) values (?, ?, ?, ?, ?)"  # noqa: S608 - a number of our own
    db.executemany(into, [(first + place, *row) for place, row in enumerate(rows)])


def _remove(db: sqlite3.Connection, number: int, source: str) -> bool:
    found = db.execute("delete from document where collection = ? and source = ? returning id", (number, source)).fetchone()
    if found is None:
        return False
    first = found[0] << PASSAGES
    out_of = f"delete from {table_of(number)} where rowid >= ? and rowid < ?"  # noqa: S608 - a number of our own
    db.execute(out_of, (first, first + (1 << PASSAGES)))
    return True


def _remove_or_raise(db: sqlite3.Connection, number: int, collection: str, source: str) -> bool:
    if not _remove(db, number, source):
        raise NotFound("there is no such document", who=f"collection {collection!r}", where="SOURCE", expected="a source that is there",
                       found=source, instead=f"perdure rag list --collection {collection} shows them")
    return True


def _is_below(source: str, paths: Sequence[str]) -> bool:
    """Whether a source came from below one of the paths."""
    return any(Path(source).is_relative_to(path) for path in paths)
