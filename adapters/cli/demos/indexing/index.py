"""The full-text index: one SQLite file. A file's docstrings and the key they came with are written in one transaction,

so a second attempt with the same key finds its work done and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Lock

from msgspec import Struct

from .....eventlog.errors import Unavailable
from .reading import Doc

NAME = "index.db"
TABLES = """
create table if not exists done (key text primary key, file text not null unique) without rowid;
create virtual table if not exists doc using fts5 (text, name, file unindexed, line unindexed, tokenize = 'porter');
"""
BEST = """
select file, line, name, snippet(doc, 0, '', '', '…', 10) from doc where doc match ? order by bm25(doc, 1.0, 4.0), file, line limit ?
"""
ONE_WRITER = Lock()
"""SQLite has one writer anyway; waiting here costs less than its polling."""


class Hit(Struct, frozen=True):
    """An answer to a search."""

    file: str
    line: int
    name: str
    text: str


class Index:
    """An open index."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @classmethod
    @contextmanager
    def open(cls, folder: Path | None = None) -> Generator[Index]:
        db = sqlite3.connect((folder or Path()) / NAME, isolation_level=None, timeout=60)
        try:
            db.execute("pragma synchronous = full")
            yield cls(db)
        finally:
            db.close()

    @classmethod
    def make(cls, folder: Path) -> None:
        """The empty index in a folder."""
        with cls.open(folder) as index:
            try:
                index.create()
            except sqlite3.OperationalError as error:
                raise Unavailable(
                    "this Python's SQLite has no full-text search",
                    who="the demo",
                    expected="SQLite with FTS5",
                    found=str(error),
                    instead="use another build of Python: python.org's and every distribution's have it",
                ) from error

    def create(self) -> None:
        self._db.execute("pragma journal_mode = wal")
        self._db.executescript(TABLES)

    def add(self, key: str, file: str, docs: Sequence[Doc]) -> bool:
        """Add the docstrings of a file; False where this key was here before, and nothing was added."""
        with ONE_WRITER:
            self._db.execute("begin immediate")
            try:
                fresh = self._db.execute("insert into done values (?, ?) on conflict (key) do nothing", (key, file)).rowcount == 1
                if fresh:
                    self._db.executemany(
                        "insert into doc (text, name, file, line) values (?, ?, ?, ?)",
                        [(doc.text, doc.name, file, doc.line) for doc in docs],
                    )
                self._db.execute("commit")
            except BaseException:
                self._db.execute("rollback")
                raise
            return fresh

    def search(self, words: str, most: int) -> list[Hit]:
        """The best hits; the words are taken as they are, whatever signs are in them."""
        quoted = " ".join('"' + word.replace('"', '""') + '"' for word in words.split())
        if not quoted:
            return []
        return [Hit(file, line, name, " ".join(text.split())) for file, line, name, text in self._db.execute(BEST, (quoted, most))]

    def count(self) -> int:
        return int(self._db.execute("select count(*) from doc").fetchone()[0])

    def digest(self) -> str:
        """SHA-256 over every docstring in the index, in an order that does not depend on when it came."""
        total = sha256()
        for row in self._db.execute("select file, line, name, text from doc order by file, line, name, text"):
            total.update(repr(row).encode())
        return total.hexdigest()
