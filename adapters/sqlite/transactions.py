"""Transactions: a function and its outcome in one commit, and the outcomes kept, so that none is called a second time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from ...eventlog.errors import Corrupt
from ...eventlog.transactions import Undone
from .faults import primary_code
from .lending import Lendable, Loan
from .log import SqliteLog

FIND = "select stream, value, seal from outcome where key = ?"
KEEP = "insert into outcome (key, stream, value, seal) values (?, ?, ?, ?)"
ALL = "select key, stream, value, seal from outcome"

OF_THE_DISK = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""Errors that are not the function's, although they came up while it ran."""


class SqliteTransactions:
    """The transactions beside a SqliteLog."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def once(self, stream: str, key: str, work: Callable[[Any], bytes], *, seconds: float) -> bytes:
        change = partial(once, stream, key, work, seconds)
        return await self._log.writing.run_shielded(partial(self._log.writer.change, change))


def once(stream: str, key: str, work: Callable[[Any], bytes], seconds: float, db: Lendable) -> bytes:
    """On the writer's thread, in a transaction that holds nothing else: whatever this raises rolls it back."""
    found = db.execute(FIND, (key,)).fetchone()
    if found is not None:
        return checked(key, *found)
    with db.lent(seconds) as loan:
        outcome = _done(db, work, loan)
    db.execute(KEEP, (key, stream, outcome, seal_of(key, stream, outcome)))
    return outcome


def _done(db: Lendable, work: Callable[[Any], bytes], loan: Loan) -> bytes:
    try:
        outcome = work(db)
        loan.check()
    except BaseException as error:
        if isinstance(error, sqlite3.Error) and primary_code(error) in OF_THE_DISK:
            raise
        raise Undone(loan.cause(error)) from error
    return outcome


def seal_of(key: str, stream: str, outcome: bytes) -> bytes:
    """No record holds an outcome before the run has taken it, so it carries its own proof."""
    return sha256(f"{len(key)}:{key}{len(stream)}:{stream}".encode() + outcome).digest()


def checked(key: str, stream: object, outcome: object, seal: object) -> bytes:
    """The outcome in a row that fits its seal; else Corrupt."""
    if isinstance(stream, str) and isinstance(outcome, bytes) and seal_of(key, stream, outcome) == seal:
        return outcome
    raise Corrupt("the kept outcome of a transactional step is damaged", who=str(stream), where=f"table outcome, key {key}",
                  expected="a row that fits its seal", found="another one", instead="restore a backup to another place, and compare")
