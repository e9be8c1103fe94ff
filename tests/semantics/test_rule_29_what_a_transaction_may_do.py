"""Rule 29: what a transactional step may do with the connection of the log, for how long, and what it may not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

import perdure
from perdure import Invalid
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.transactions import Undone
from tests.semantics.transacting import asked, doing, ended

pytestmark = pytest.mark.anyio

FORBIDDEN: dict[str, Callable[[sqlite3.Connection], object]] = {
    "commit": lambda db: db.commit(),
    "commit as a statement": lambda db: db.execute("COMMIT"),
    "rollback": lambda db: db.rollback(),
    "begin": lambda db: db.execute("begin"),
    "a with block": lambda db: db.__enter__(),
    "a script": lambda db: db.executescript("delete from moved"),
    "a script by a cursor": lambda db: db.cursor().executescript("delete from moved"),
    "close": lambda db: db.close(),
    "attach": lambda db: db.execute("attach ':memory:' as other"),
    "a pragma": lambda db: db.execute("pragma synchronous = off"),
    "a record": lambda db: db.execute("delete from record"),
    "an outcome": lambda db: db.execute("insert into outcome values ('k', 's', x'', x'')"),
    "the number of openings": lambda db: db.execute("update meta set value = 9"),
    "a blob": lambda db: db.blobopen("record", "data", 1),
    "a trigger on a table of perdure": lambda db: db.execute("create trigger t after insert on record begin delete from moved; end"),
    "an index on a table of perdure": lambda db: db.execute("create index i on record (data)"),
    "an index of perdure": lambda db: db.execute("drop index head_due"),
    "a table of perdure": lambda db: db.execute("drop table snapshot"),
    "another shape of a table of perdure": lambda db: db.execute("alter table head add column mine"),
    "a temporary table that hides one": lambda db: db.execute("create temp table record (a)"),
    "a trigger of its own that writes there": lambda db: (
        db.execute("create trigger t after insert on moved begin delete from record; end"),
        db.execute("insert into moved values ('x')"),
    ),
    "the authorizer": lambda db: db.set_authorizer(None),
    "the progress handler": lambda db: db.set_progress_handler(None, 0),
    "another isolation level": lambda db: setattr(db, "isolation_level", None),
    "a function that hides one of SQLite's": lambda db: db.create_function("coalesce", 2, min),
    "a cursor of another kind": lambda db: db.cursor(sqlite3.Cursor),
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_it_may_not(what: str, tmp_path: Path) -> None:
    assert "a transactional step may not do this" in await ended(tmp_path, doing(FORBIDDEN[what]))
    assert asked(tmp_path, "select name from sqlite_master where name = 'moved'") == []
    assert verify_file(tmp_path / "shop.db").verdict == "intact"


async def test_it_may_do_with_tables_of_its_own_what_sqlite_can(tmp_path: Path) -> None:
    def much(db: sqlite3.Connection) -> str:
        db.row_factory = sqlite3.Row
        db.execute("create table stock (id integer primary key autoincrement, name text unique, cents integer)")
        db.executemany("insert into stock (name, cents) values (?, ?)", [("a", 1), ("b", 2)])
        db.execute("create index stock_cents on stock (cents)")
        db.execute("create view dear as select * from stock where cents > 1")
        db.execute("create trigger cheaper after update on stock begin insert into moved values (new.name); end")
        db.execute("savepoint mine")
        db.execute("delete from stock")
        db.execute("rollback to mine")
        db.execute("insert into stock (name, cents) values ('a', 9) on conflict (name) do update set cents = excluded.cents")
        db.execute("alter table stock add column note text")
        db.execute("alter table stock rename column note to remark")
        db.execute("drop index stock_cents")
        columns = [row["name"] for row in db.execute("pragma table_info(stock)")]
        runs = db.execute("select count(*) as n from record").fetchone()["n"]
        db.cursor().execute("select * from stock, moved").fetchone()  # left open
        return f"{columns} {runs > 0} {[row['name'] for row in db.execute('select name from dear order by name')]}"

    assert await ended(tmp_path, doing(much)) == "['id', 'name', 'cents', 'remark'] True ['a', 'b']"
    assert asked(tmp_path, "select name from moved") == ["mine", "a"]
    assert verify_file(tmp_path / "shop.db").verdict == "intact"


ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) insert into moved select 'x' from n"


def hides_the_interrupt(db: sqlite3.Connection) -> str:
    """SQLite itself rolls back what an interrupted insert belongs to: whatever is written behind it would be a commit of its own."""
    with suppress(sqlite3.OperationalError):
        db.execute(ENDLESS)
    for execute in (db.execute, db.cursor().execute):
        with suppress(sqlite3.Error, TimeoutError):
            execute("create table alone (name text)")
    with suppress(sqlite3.Error, TimeoutError):
        db.executemany("create table alone (name text)", [])
    return "done"


LATE: dict[str, Callable[[sqlite3.Connection], object]] = {
    "in a statement": lambda db: db.execute(ENDLESS),
    "between statements": lambda _: time.sleep(0.1),
    "hidden": hides_the_interrupt,
}


@pytest.mark.parametrize("how", LATE)
async def test_what_takes_too_long_fails_and_leaves_nothing(how: str, tmp_path: Path) -> None:
    acts = doing(LATE[how], timeout=timedelta(milliseconds=50))

    assert await ended(tmp_path, acts) == "TimeoutError: the transaction took longer than 0.05 s"
    assert asked(tmp_path, "select name from sqlite_master where name in ('moved', 'alone')") == []


async def test_a_rollback_by_sqlite_ends_the_transaction_even_if_it_is_hidden(tmp_path: Path) -> None:
    def hides(db: sqlite3.Connection) -> str:
        with suppress(sqlite3.IntegrityError):
            db.execute("create table odd (n integer check (n > 0))")
            db.execute("insert or rollback into odd values (0)")
        with suppress(sqlite3.Error):
            db.execute("create table alone (name text)")
        return "done"

    assert "rolled the transaction back" in await ended(tmp_path, doing(hides))
    assert asked(tmp_path, "select name from sqlite_master where name in ('moved', 'odd', 'alone')") == []


async def test_a_connection_that_was_kept_is_of_no_use_later(tmp_path: Path) -> None:
    cursors: list[sqlite3.Cursor] = []
    async with open_sqlite(tmp_path / "shop.db") as carrier:
        assert carrier.transactions is not None

        def first(db: sqlite3.Connection) -> bytes:
            cursors.append(db.execute("select 1 union select 2"))
            return b"1"

        def second(_: sqlite3.Connection) -> bytes:
            cursors[0].execute("select 1")
            return b"2"

        await carrier.transactions.once("s", "one", first, seconds=1)
        with pytest.raises(Undone) as undone:
            await carrier.transactions.once("s", "two", second, seconds=1)

    assert isinstance(undone.value.error, Invalid | sqlite3.ProgrammingError)


async def test_a_damaged_outcome_is_found_and_given_to_nobody(tmp_path: Path) -> None:
    assert await ended(tmp_path, doing(lambda _: "done")) == "done"
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("update outcome set value = x'31'")
        (key,) = db.execute("select key from outcome").fetchone()

    assert [finding.where for finding in verify_file(tmp_path / "shop.db").findings] == [f"table outcome, key {key}"]
    async with open_sqlite(tmp_path / "shop.db") as carrier:
        assert carrier.transactions is not None
        with pytest.raises(perdure.Corrupt):
            await carrier.transactions.once("run/default/one", key, lambda _: b"1", seconds=1)
