"""The tables of the file, and their names, which are taken."""

from __future__ import annotations

import re

TABLES = """
create table record (position integer primary key, stream text not null, first integer not null, last integer not null,
    previous blob not null, digest blob not null, data blob not null, unique (stream, first));
create table head (stream text primary key, version integer not null, digest blob not null, status text not null,
    wake_at integer, title text not null, started_at integer not null, changed_at integer not null, attributes blob not null,
    seal blob not null) without rowid;
create index head_due on head (wake_at, stream) where wake_at is not null;
create table attribute (name text not null, value not null, stream text not null, primary key (name, value, stream)) without rowid;
create table snapshot (stream text primary key, version integer not null, digest blob not null, state_version integer not null,
    data blob not null, seal blob not null);
create table blob (id integer primary key, stream text not null, digest text, size integer not null, unique (stream, digest));
create table chunk (blob integer not null, number integer not null, digest blob not null, data blob not null, unique (blob, number));
create table meta (key text primary key, value integer not null) without rowid;
"""

ADDED = (
    """create table if not exists outcome (key text primary key, stream text not null, value blob not null, seal blob not null)
    without rowid""",
)
"""Tables that came without a new format: a release that does not know them has no use for them, and leaves them alone."""

OURS = frozenset(re.findall(r"create table (?:if not exists )?(\w+)", "\n".join((TABLES, *ADDED))))
