"""What a statement of the user may do to the file, in the words of SQLite's authorizer: everything to rows and tables that are
not perdure's, nothing to those that are, and nothing that ends the transaction.
"""

from __future__ import annotations

import sqlite3

from .tables import OURS

FIRST_IS_THE_TABLE = {
    sqlite3.SQLITE_INSERT: "insert into", sqlite3.SQLITE_UPDATE: "update", sqlite3.SQLITE_DELETE: "delete from",
    sqlite3.SQLITE_CREATE_TABLE: "create table", sqlite3.SQLITE_DROP_TABLE: "drop table",
    sqlite3.SQLITE_CREATE_VIEW: "create view", sqlite3.SQLITE_DROP_VIEW: "drop view",
    sqlite3.SQLITE_CREATE_VTABLE: "create virtual table", sqlite3.SQLITE_DROP_VTABLE: "drop virtual table",
}  # fmt: skip

SECOND_IS_THE_TABLE = {
    sqlite3.SQLITE_CREATE_INDEX: "create index on", sqlite3.SQLITE_DROP_INDEX: "drop index on",
    sqlite3.SQLITE_CREATE_TRIGGER: "create trigger on", sqlite3.SQLITE_DROP_TRIGGER: "drop trigger on",
    sqlite3.SQLITE_ALTER_TABLE: "alter table",
}  # fmt: skip

HARMLESS = frozenset({
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_SAVEPOINT,
    sqlite3.SQLITE_REINDEX,
})  # fmt: skip
"""Reading, perdure's tables too, and what stays within the transaction."""

LOOKING = frozenset({
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo", "table_info", "table_list", "table_xinfo",
})  # fmt: skip
"""Pragmas that only look."""

OTHERS = {
    sqlite3.SQLITE_TRANSACTION: "{}", sqlite3.SQLITE_ATTACH: "attach", sqlite3.SQLITE_DETACH: "detach", sqlite3.SQLITE_PRAGMA: "pragma {}",
}  # fmt: skip


def refusal(action: int, first: str | None, second: str | None, database: str | None) -> str:
    """What of a statement is not permitted, in its own words; empty where all is. `database` is where its table lies."""
    first, second = first or "", second or ""
    if action in HARMLESS or (action == sqlite3.SQLITE_PRAGMA and first.lower() in LOOKING):
        return ""
    what, table = FIRST_IS_THE_TABLE.get(action, ""), first
    if not what:
        what, table = SECOND_IS_THE_TABLE.get(action, ""), second
    if not what:  # tables of `temp` too: they would stay on the connection, and could hide ours
        return OTHERS.get(action, f"statement of kind {action} on {{}}").format(first.lower())
    place = first if action == sqlite3.SQLITE_ALTER_TABLE else database
    is_there = place in ("main", None) or table == "sqlite_temp_master"  # which a renamed column is looked for in, too
    return "" if is_there and table.lower() not in OURS else f"{what} {table}"
