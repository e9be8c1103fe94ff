"""The index: one SQLite file with full text search, made anew from the documents whenever it is lost.

Each collection of each tenant has a table of its own. So what one of them holds changes nothing that another is told: not what is found,
and not the scores either, which depend on how often a word is in a whole table. Where a collection has an embedding, a second table holds
a vector for each of its passages.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from ...eventlog.errors import Invalid, NotFound, Unavailable

APPLICATION, VERSION = 0x70_64_72_67, 2
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DEFAULT = "default"
"""The collection, where none is named."""
WITHIN = 10.0
"""Seconds that a search may take, and that a writer waits for another."""
LOOK_EVERY = 20_000
"""Instructions of SQLite between two looks at the time."""
PASSAGES = 20
"""Bits of a row's number that count the passages of one document; those above are the document's, which no later one is given."""

TABLES = f"""
create table collection (id integer primary key, tenant text not null, name text not null, unique (tenant, name));
create table document (
    id integer primary key autoincrement, collection integer not null references collection, source text not null, title text not null,
    digest text not null, passages integer not null, characters integer not null, unique (collection, source)
);
create table embedding (
    collection integer not null references collection, ready integer not null, wish text not null, name text not null,
    dimensions integer not null, primary key (collection, ready)
);
pragma application_id = {APPLICATION};
pragma user_version = {VERSION};
"""


class DocumentLine(Struct, frozen=True):
    """A document that is in the index."""

    source: str
    title: str
    digest: str
    passages: int
    characters: int


class CollectionLine(Struct, frozen=True):
    """A collection of one tenant."""

    collection: str
    documents: int
    passages: int
    embedding: str
    """By which its passages have vectors; empty where they have none."""


class Made(Struct, frozen=True):
    """The embedding of a collection: `wish` says how it is made, `name` which one it was that made the vectors."""

    wish: str
    name: str
    dimensions: int


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection]:
    """The index, to be searched; NotFound where there is none. What takes longer than `WITHIN` is ended, as Unavailable."""
    if not path.is_file():
        raise NotFound("there is no index of documents", who="documents", where=str(path), expected="a file that 'perdure rag ingest' made",
                       found="nothing there", instead="perdure rag ingest PATH… --collection NAME")
    with _opened(f"{path.absolute().as_uri()}?mode=ro", path) as db:
        end = time.monotonic() + WITHIN
        db.set_progress_handler(lambda: time.monotonic() > end, LOOK_EVERY)
        _must_be_ours(db, path)
        db.execute("begin")  # all that is asked is answered from one moment
        yield db


@contextmanager
def writing(path: Path) -> Generator[sqlite3.Connection]:
    """The index, to be changed; made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(f"{path.absolute().as_uri()}?mode=rwc", path) as db:
        if db.execute("pragma application_id").fetchone() == (0,) and not db.execute("select 1 from sqlite_schema").fetchone():
            db.execute("pragma journal_mode = wal")
            with transaction(db):
                if db.execute("pragma application_id").fetchone() == (0,):  # nobody else was quicker
                    for statement in TABLES.split(";"):
                        db.execute(statement)
        db.execute("pragma synchronous = normal")
        _must_be_ours(db, path)
        yield db


@contextmanager
def _opened(uri: str, path: Path) -> Generator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WITHIN)) as db:
            yield db
    except sqlite3.OperationalError as error:
        if "no such module: fts5" in str(error):
            raise Invalid("this Python's SQLite has no full text search", who="documents", expected="SQLite with FTS5", found=str(error),
                          instead="use another build of Python: python.org's and every distribution's have it") from error
        raise Unavailable("the index of documents is away", who="documents", where=str(path), expected=f"an answer within {WITHIN:g} s",
                          found=str(error), instead="try again; if it stays so, look at the file and its folder") from error
    except sqlite3.DatabaseError as error:
        raise _no_index(path, str(error)) from error


def _must_be_ours(db: sqlite3.Connection, path: Path) -> None:
    (application,), (version,) = db.execute("pragma application_id").fetchone(), db.execute("pragma user_version").fetchone()
    if application != APPLICATION:
        raise _no_index(path, "another database")
    if version != VERSION:
        raise Invalid("the index is of another release", who="documents", where=str(path), expected=f"version {VERSION}",
                      found=f"version {version}", instead="remove the file, and ingest the documents again")


def _no_index(path: Path, found: str) -> Invalid:
    return Invalid("that is no index of documents", who="documents", where=str(path), expected="a file that 'perdure rag ingest' made",
                   found=found, instead="name another file")


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """All of it or nothing."""
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        db.execute("rollback")
        raise


def name_or_raise(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Invalid("a collection needs a plain name", who=f"collection {name[:80]!r}", where="collection",
                      expected="1 to 64 letters, digits, '-' or '_'", found=repr(name[:80]), instead="write for example handbook")
    return name


def table_of(number: int) -> str:
    """The table of a collection's passages."""
    return f"passage_{number}"


def vectors_of(number: int, *, ready: bool = True) -> str:
    """The table of a collection's vectors, or that of those which are to take their place."""
    return f"vector_{number}" if ready else f"vector_{number}_next"


def made_by(db: sqlite3.Connection, number: int, *, ready: bool = True) -> Made | None:
    """The embedding of a collection, or that which is to take its place; None where there is none."""
    row = db.execute("select wish, name, dimensions from embedding where collection = ? and ready = ?", (number, ready)).fetchone()
    return None if row is None else Made(*row)


def number_of(db: sqlite3.Connection, tenant: str, name: str) -> int:
    """The number of a collection; NotFound where the tenant has none of this name."""
    found = db.execute("select id from collection where tenant = ? and name = ?", (tenant, name_or_raise(name))).fetchone()
    if found is None:
        raise no_such_collection(tenant, name, [line.collection for line in collections(db, tenant, limit=20)])
    return int(found[0])


def no_such_collection(tenant: str, name: str, names: Sequence[str] = ()) -> NotFound:
    return NotFound("there is no such collection", who=f"collection {name!r}", where=f"tenant {tenant!r}",
                    expected=", ".join(names) or "a collection; there is none", found=name,
                    instead=f"perdure rag ingest PATH… --collection {name}")


def collections(db: sqlite3.Connection, tenant: str, *, after: str = "", limit: int = -1) -> Sequence[CollectionLine]:
    """The collections of a tenant, by name, behind the one called `after`; a negative limit is none."""
    rows = db.execute(
        "select c.name, count(d.id), coalesce(sum(d.passages), 0), coalesce(e.name, '') from collection c "
        "left join document d on d.collection = c.id left join embedding e on e.collection = c.id and e.ready "
        "where c.tenant = ? and c.name > ? group by c.id order by c.name limit ?", (tenant, after, limit),
    )  # fmt: skip
    return [CollectionLine(*row) for row in rows]


def documents(db: sqlite3.Connection, tenant: str, collection: str, *, after: str = "", limit: int = -1) -> Sequence[DocumentLine]:
    """The documents of a collection, by source, behind the one called `after`; a negative limit is none."""
    asked = ("select source, title, digest, passages, characters from document where collection = ? and source > ? "
             "order by source limit ?")
    rows = db.execute(asked, (number_of(db, tenant, collection), after, limit))
    return [DocumentLine(*row) for row in rows]
