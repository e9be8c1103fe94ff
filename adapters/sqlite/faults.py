"""What SQLite and the operating system say, in our words: whose fault it is, and whether trying again helps."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from ...eventlog.errors import Corrupt, PerdureError, Unavailable

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
"""Constraints too: what we write fits them, unless what is there already is not what we wrote."""
MISSHAPEN = ("unsupported file format", "no such ", "has no column")
FULL = {errno.ENOSPC, errno.EDQUOT}


def primary_code(error: BaseException) -> int:
    """SQLite's result code without its extension; 0 where the error carries none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_undecodable(error: BaseException) -> bool:
    """Whether a stored text is no longer UTF-8."""
    return isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error)


def is_misshapen(error: BaseException) -> bool:
    """Whether the file no longer has the shape that we gave it: our statements are fixed, so they always fit that one."""
    return primary_code(error) == sqlite3.SQLITE_ERROR and any(sign in str(error) for sign in MISSHAPEN)


def is_full(error: BaseException) -> bool:
    return primary_code(error) == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno in FULL)


def ends_trust(error: BaseException) -> bool:
    """Whether nothing may be written after this: after a failed sync nobody knows what is on the disk."""
    return primary_code(error) == sqlite3.SQLITE_IOERR or (isinstance(error, OSError) and not is_full(error))


def explained(error: sqlite3.Error | OSError, path: Path) -> PerdureError:
    """The error to raise instead of what SQLite or the operating system raised."""
    if primary_code(error) in DAMAGED or is_undecodable(error) or is_misshapen(error):
        return damaged(path, str(error))
    if is_full(error):
        return unavailable(path, "the disk is full", error, "free some space and try again; nothing was acknowledged and nothing is lost")
    if ends_trust(error):
        return latched(path, str(error))
    if primary_code(error) == sqlite3.SQLITE_BUSY:
        return unavailable(path, "another program holds the file", error, "close the program that writes to the file, then try again")
    return unavailable(path, "the log cannot be reached", error, "try again with the same command id; the outcome is unknown")


def unavailable(path: Path, message: str, error: BaseException, instead: str) -> Unavailable:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return Unavailable(message, who="the SQLite log", where=str(path), found=f"{error} ({name})", instead=instead)


def damaged(path: Path, found: str) -> Corrupt:
    return Corrupt(
        "the log file is damaged",
        who="the SQLite log",
        where=str(path),
        expected="a whole SQLite database",
        found=found,
        instead="keep the file and its -wal and -anchor as they are, restore a backup of all of them to another place, and compare",
    )


def latched(path: Path, found: str) -> Unavailable:
    return Unavailable(
        "the log is shut after a failed write",
        who="the SQLite log",
        where=str(path),
        expected="a disk that keeps what it is given",
        found=found,
        instead="check the disk, then restart the process: what was acknowledged is on the disk, and opening shows what else is",
    )
