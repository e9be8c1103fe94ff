"""Rows of blobs: a name in one table, its chunks in another. Each function is one short transaction on the writer thread.

A blob without a digest has no name yet, or none any more: whoever wrote it died, or its stream is being deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from hashlib import sha256

from ...eventlog.blobs import Blob, Check
from ...eventlog.errors import Corrupt

DELETED_AT_ONCE = 16
"""Chunks deleted in one transaction."""

CHUNK = """select chunk.digest, chunk.data from blob join chunk on chunk.blob = blob.id
    where blob.stream = ? and blob.digest = ? and chunk.number = ?"""
KNOWN = "select size from blob where stream = ? and digest = ?"
UNNAMED = "select id from blob where stream = ? and digest is null"


def is_known(db: sqlite3.Connection, stream: str, blob: Blob) -> bool:
    return db.execute(KNOWN, (stream, blob.digest)).fetchone() is not None


def begin(db: sqlite3.Connection, stream: str) -> int:
    """The id of a new blob without a name."""
    db.execute("insert into blob (stream, digest, size) values (?, null, 0)", (stream,))
    return int(db.execute("select last_insert_rowid()").fetchone()[0])


def add(db: sqlite3.Connection, id: int, number: int, data: bytes) -> None:
    db.execute("insert into chunk (blob, number, digest, data) values (?, ?, ?, ?)", (id, number, sha256(data).digest(), data))


def name(db: sqlite3.Connection, id: int, stream: str, blob: Blob) -> bool:
    """Give a blob whose chunks are all there its name; false where another has it, with the same content."""
    if is_known(db, stream, blob):
        return False
    db.execute("update blob set digest = ?, size = ? where id = ?", (blob.digest, blob.size, id))
    return True


def unname(db: sqlite3.Connection, stream: str) -> None:
    db.execute("update blob set digest = null where stream = ?", (stream,))


def unname_some(db: sqlite3.Connection, stream: str, digests: Collection[str]) -> list[int]:
    """The ids of these blobs of a stream, which have no name from now on."""
    found = (db.execute("select id from blob where stream = ? and digest = ?", (stream, digest)).fetchone() for digest in digests)
    ids = [int(row[0]) for row in found if row is not None]
    db.executemany("update blob set digest = null where id = ?", [(id,) for id in ids])
    return ids


def unnamed(db: sqlite3.Connection, stream: str) -> list[int]:
    return [row[0] for row in db.execute(UNNAMED, (stream,))]


def remove(db: sqlite3.Connection, id: int) -> bool:
    """Remove some chunks of a blob without a name, and the blob with its last; whether more is to be done."""
    places = """select chunk.rowid from chunk join blob on blob.id = chunk.blob
        where blob.id = ? and blob.digest is null order by chunk.number desc limit ?"""
    removed = db.execute(f"delete from chunk where rowid in ({places})", (id, DELETED_AT_ONCE)).rowcount  # noqa: S608
    if removed == DELETED_AT_ONCE:
        return True
    db.execute("delete from blob where id = ? and digest is null", (id,))
    return False


def forget_unfinished(db: sqlite3.Connection) -> None:
    """Remove what a process left unfinished that is gone now: only one holds the file at a time."""
    db.execute("delete from chunk where blob in (select id from blob where digest is null)")
    db.execute("delete from blob where digest is null")


def checked(row: tuple[object, ...] | None, check: Check) -> bytes:
    """The chunk in a row, held against its own digest and that of the whole; Corrupt where there is none or it does not fit."""
    if row is None:
        check.end()
        return b""
    digest, data = row
    if not isinstance(data, bytes) or sha256(data).digest() != digest:
        raise check.damaged("a chunk with another digest")
    return check.take(data)


def damage_of(db: sqlite3.Connection, stream: str, blob: Blob) -> str:
    """What is wrong with a blob that the log names; empty where it holds."""
    if not is_known(db, stream, blob):
        return "a blob that the log names is missing"
    check = Check(stream, blob)
    try:
        for row in _chunks(db, stream, blob):
            checked(row, check)
        check.end()
    except Corrupt as error:
        return f"{error.message}: expected {error.expected}, found {error.found}"
    return ""


def _chunks(db: sqlite3.Connection, stream: str, blob: Blob) -> Iterator[tuple[object, ...]]:
    number = 0
    while row := db.execute(CHUNK, (stream, blob.digest, number)).fetchone():
        yield row
        number += 1
