"""The file: its tables, its format number, and how connections to it are made.

One connection writes and checkpoints; all others are read-only and never checkpoint, because SQLite before 3.51.3 can
damage a file when two connections do (https://www.sqlite.org/wal.html, "The WAL-reset bug").
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ...eventlog.errors import Invalid, NotFound, Unavailable
from .anchor import anchor_path
from .faults import damaged
from .lending import Lendable
from .tables import ADDED, TABLES

APPLICATION_ID = 0x70657264  # "perd"
FORMAT = 3
BEGINNING = b"SQLite format 3\0"
APPLICATION_AT = 68
"""Where SQLite keeps the application id: https://www.sqlite.org/fileformat.html"""
PAGE_SIZE = 4096  # 1,024 and 2,048 cost 1.6 and 1.1 times as much a record in large batches, and gain nothing in small ones
CHECKPOINT_PAGES = 1000
BUSY_SECONDS = 5.0
WAL_VERSION = 2
READING = ("pragma query_only = on", "pragma wal_autocheckpoint = 0", "pragma mmap_size = 0", "pragma cell_size_check = on")
OLDEST_SQLITE = (3, 35, 0)
SOUND_SQLITE = (3, 51, 3)

log = logging.getLogger("perdure")


def placed(path: str | Path) -> Path:
    """The one true path of the file, links resolved, so that a second name finds the same lock."""
    if str(path).startswith(":memory:"):
        raise Invalid("a log in memory is no file", who="the SQLite log", where=str(path), expected="the path of a file",
                      instead="use the log in memory, or a file in a temporary directory")
    place = Path(path).expanduser().resolve()
    if place.is_dir():
        raise Invalid("the path of the log is a directory", who="the SQLite log", where=str(place), expected="the path of a file",
                      instead=f"name a file in it, such as {place / 'perdure.db'}")
    if not place.parent.is_dir():
        raise NotFound("the directory of the log does not exist", who="the SQLite log", where=str(place),
                       expected=f"a directory {place.parent}", instead="create the directory, or correct the path")
    return place


def connect_writer(path: Path) -> Lendable:
    """The connection that writes: every commit is synced to the disk before it returns."""
    return connected(str(path), path, prepare_writing)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read."""
    return connected(reading_uri(path), path, prepare_reading)


def connected(name: str, path: Path, prepare: Callable[[sqlite3.Connection, Path], None]) -> Lendable:
    check_sqlite()
    check_beginning(path)
    db = sqlite3.connect(name, uri=name.startswith("file:"), isolation_level=None, timeout=BUSY_SECONDS, factory=Lendable)
    try:
        check_format(db, path)
        check_header(path)
        prepare(db, path)
    except UnicodeDecodeError as error:  # in place of SQLite's own error, whose text quotes the damaged schema
        db.close()
        raise damaged(path, f"a schema that is no text: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def prepare_writing(db: sqlite3.Connection, path: Path) -> None:
    if is_empty(db):
        db.execute(f"pragma page_size = {PAGE_SIZE}")
    mode = str(db.execute("pragma journal_mode = wal").fetchone()[0])
    db.execute("pragma synchronous = full")
    db.execute("pragma mmap_size = 0")
    db.execute("pragma cell_size_check = on")
    db.execute("pragma trusted_schema = off")
    db.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
    synchronous = int(db.execute("pragma synchronous").fetchone()[0])
    if (mode, synchronous) != ("wal", 2):
        raise Unavailable("the file system does not allow durable commits", who="the SQLite log", where=str(path),
                          expected="journal mode wal, synchronous 2 (full)", found=f"journal mode {mode}, synchronous {synchronous}",
                          instead="keep the log on a local disk")


def reading_uri(path: Path) -> str:
    return f"file:{quote(str(path))}?mode=ro"


def prepare_reading(db: sqlite3.Connection, _: Path) -> None:
    for pragma in READING:
        db.execute(pragma)


def check_sqlite() -> None:
    """Refuse a SQLite that lacks what we use; name one with the known bug that the rules above keep away from."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise Invalid("the SQLite of this Python is too old", who="the SQLite log", expected="3.35.0 or newer",
                      found=sqlite3.sqlite_version, instead="use a Python that is built with a newer SQLite")
    if sqlite3.sqlite_version_info < SOUND_SQLITE and not said_once:
        said_once.append(True)
        log.info("SQLite %s has the WAL-reset bug that 3.51.3 fixed; one connection alone writes, which avoids it", sqlite3.sqlite_version)


said_once: list[bool] = []


def is_empty(db: sqlite3.Connection) -> bool:
    return bool(db.execute("select count(*) = 0 from sqlite_master").fetchone()[0])


def check_beginning(path: Path) -> None:
    """Refuse a file that never was a log: no anchor beside it, and no sign of ours where it begins.

    A log whose beginning was damaged has an anchor, or most of that beginning: that is for SQLite to refuse, as damage.
    """
    if not path.exists() or anchor_path(path).exists():
        return
    with path.open("rb") as file:
        found = file.read(APPLICATION_AT + 4)
    alike = sum(ours == theirs for ours, theirs in zip(BEGINNING, found, strict=False))
    if found and alike < len(BEGINNING) // 2 and found[APPLICATION_AT:] != APPLICATION_ID.to_bytes(4):
        raise no_log(path, f"a file that begins with {found[:16]!r}, and no {anchor_path(path).name} beside it")


def no_log(path: Path, found: str) -> Invalid:
    return Invalid("the file is no perdure log", who="the SQLite log", where=str(path),
                   expected="a log, or a path where there is nothing yet", found=found,
                   instead="name the file of a log; this one is untouched. If it was one, put back a backup of it and of its -anchor")


def check_header(path: Path) -> None:
    """Refuse a file whose header names a version of SQLite's format that there is not: SQLite would only call it read-only."""
    if not path.exists():
        return
    with path.open("rb") as file:
        versions = set(file.read(20)[18:])
    if max(versions, default=0) > WAL_VERSION:
        raise damaged(path, f"format versions {sorted(versions)} in its header, where SQLite writes at most {WAL_VERSION}")


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that something else wrote, or a later release."""
    if is_empty(db):
        return
    application = int(db.execute("pragma application_id").fetchone()[0])
    written = int(db.execute("pragma user_version").fetchone()[0])
    if application != APPLICATION_ID:
        raise Invalid("the file is a database of another program", who="the SQLite log", where=str(path),
                      expected=f"application id {APPLICATION_ID:#x}", found=f"application id {application:#x}",
                      instead="name another file; this one is untouched")
    if written != FORMAT:
        raise Invalid("the log has a format that this release does not know", who="the SQLite log", where=str(path),
                      expected=f"format {FORMAT}", found=f"format {written}",
                      instead="use the release that wrote it, or a newer one; the file is untouched")


def create(db: sqlite3.Connection) -> None:
    """Make the tables, inside the transaction of the first opening."""
    for statement in TABLES.split(";\n"):
        db.execute(statement)
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute(f"pragma user_version = {FORMAT}")
    db.execute("insert into meta (key, value) values ('format', ?), ('epoch', 0), ('epoch again', 0)", (FORMAT,))


def add(db: sqlite3.Connection) -> None:
    """Make the tables that a file of this format may lack."""
    for statement in ADDED:
        db.execute(statement)
