"""The writing connection, lent to a function of the user for the length of one transaction.

It is a real connection, but while it is lent it can neither end the transaction nor touch what is perdure's: an authorizer
judges every statement, and the methods that would get around it, or leave something behind, are refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from weakref import WeakSet

from ...eventlog.errors import Invalid
from .permits import refusal

INSTRUCTIONS_BETWEEN_LOOKS = 1000
"""Of SQLite's own machine, between two looks at the clock: far below a millisecond."""

REFUSED = (
    "__enter__", "blobopen", "close", "commit", "create_aggregate", "create_collation", "create_function", "create_window_function",
    "deserialize", "enable_load_extension", "executescript", "interrupt", "load_extension", "rollback", "set_authorizer",
    "set_progress_handler", "set_trace_callback", "setconfig", "setlimit",
)  # fmt: skip

SETTABLE = frozenset({"row_factory", "text_factory"})

RETURN = "return from the function to commit, raise to roll back"
ONE_BY_ONE = "call db.execute(…) for each statement; a script begins with a commit"
INSTEAD = {"commit": RETURN, "rollback": RETURN, "__enter__": RETURN, "executescript": ONE_BY_ONE}


class Loan:
    """One lending: until when, and what came in its way."""

    def __init__(self, db: sqlite3.Connection, seconds: float) -> None:
        self._db = db
        self._seconds = seconds
        self._until = monotonic() + seconds
        self.cursors: WeakSet[LentCursor] = WeakSet()
        self.refused = ""
        """What the authorizer turned away last."""

    def is_over(self) -> bool:
        """Whether the time is up; SQLite interrupts what runs then."""
        return monotonic() > self._until

    def allows(self, action: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
        """SQLite asks this of every statement that it prepares."""
        refused = refusal(action, first, second, database)
        self.refused = refused or self.refused
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    def check(self) -> None:
        """Refuse to go on where the time is up, or SQLite has rolled back by itself: another statement would be a commit of its own."""
        if self.is_over():
            raise TimeoutError(f"the transaction took longer than {self._seconds:g} s")
        if not self._db.in_transaction:
            raise sqlite3.OperationalError("SQLite rolled the transaction back after an error of one of its statements")

    def cause(self, error: BaseException) -> BaseException:
        """What to tell of an error that the function raised."""
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_AUTH:
            return not_permitted(self.refused, RETURN if self.refused in ("commit", "rollback", "begin") else "keep to tables of your own")
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return TimeoutError(f"the transaction took longer than {self._seconds:g} s")
        return error


class Lendable(sqlite3.Connection):
    """A connection that can be lent; while it is not, it is a plain one."""

    loan: Loan | None = None

    def execute(self, *args: Any) -> Any:
        return super().execute(*args) if self.loan is None else self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return super().executemany(*args) if self.loan is None else self.cursor().executemany(*args)

    def cursor(self, factory: Any = None) -> Any:
        if self.loan is None:
            return super().cursor() if factory is None else super().cursor(factory)
        if factory is not None:
            raise not_permitted("cursor(factory)", "call db.cursor(); db.row_factory shapes the rows")
        lent: Any = LentCursor  # the connection that is passed to it is this one
        return super().cursor(lent)

    def __setattr__(self, name: str, value: object) -> None:
        if self.loan is not None and name not in SETTABLE:
            raise not_permitted(f"to set {name}", "leave the connection as it is")
        super().__setattr__(name, value)

    @contextmanager
    def lent(self, seconds: float) -> Generator[Loan]:
        """Lend it until the end of the block, inside a transaction; afterwards it is as it was before."""
        loan, row_factory, text_factory = Loan(self, seconds), self.row_factory, self.text_factory
        self.set_authorizer(loan.allows)
        self.set_progress_handler(loan.is_over, INSTRUCTIONS_BETWEEN_LOOKS)
        self.loan = loan
        try:
            yield loan
        finally:
            super().__setattr__("loan", None)
            self.row_factory, self.text_factory = row_factory, text_factory
            self.set_progress_handler(None, 0)
            self.set_authorizer(None)
            for cursor in loan.cursors:
                cursor.close()


def _refusing(name: str) -> Callable[..., Any]:
    plain = getattr(sqlite3.Connection, name)

    def method(self: Lendable, *args: Any, **kwargs: Any) -> Any:
        if self.loan is not None:
            found = "with db:" if name == "__enter__" else f"{name}()"
            raise not_permitted(found, INSTEAD.get(name, "use db.execute(…) and db.executemany(…)"))
        return plain(self, *args, **kwargs)

    return method


for _name in REFUSED:
    if hasattr(sqlite3.Connection, _name):  # some came with later releases of Python
        setattr(Lendable, _name, _refusing(_name))


class LentCursor(sqlite3.Cursor):
    """A cursor that begins no statement outside the transaction it was made in."""

    def __init__(self, db: Lendable) -> None:
        super().__init__(db)
        self._db = db
        self._loan = db.loan
        if db.loan is not None:
            db.loan.cursors.add(self)

    def execute(self, *args: Any) -> Any:
        self._check()
        return super().execute(*args)

    def executemany(self, *args: Any) -> Any:
        self._check()
        return super().executemany(*args)

    def executescript(self, *_: Any) -> Any:
        raise not_permitted("executescript()", ONE_BY_ONE)

    def _check(self) -> None:
        if self._loan is None or self._loan is not self._db.loan:
            raise not_permitted("a cursor of another transaction", "ask the connection that the function was given")
        self._loan.check()


def not_permitted(found: str, instead: str) -> Invalid:
    return Invalid("a transactional step may not do this", who="the connection of the log", expected="statements on tables of your own",
                   found=found, instead=instead)
