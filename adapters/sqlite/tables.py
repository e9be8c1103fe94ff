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
    """create view if not exists workflow_webhook_dlq as
    select substr(stream, length(stream) - 35) as id, json_extract(told, '$.tenant') as tenant_id, json_extract(told, '$.run') as run_id,
        json_extract(told, '$.url') as url, json_extract(body, '$.events[0].body') as body_json,
        json_extract(told, '$.attempts') as attempts, due as next_attempt_at, json_extract(told, '$.error') as last_error,
        started_at as created_at, status
    from (select head.stream, head.wake_at as due, head.started_at, head.status, cast(head.attributes as text) as told,
        cast(record.data as text) as body from head join record on record.stream = head.stream and record.first = 1
        where head.stream >= 'delivery/' and head.stream < 'delivery0' and head.status in ('retrying', 'dead'))""",
)
"""Tables that came without a new format: a release that does not know them has no use for them, and leaves them alone."""

OURS = frozenset(re.findall(r"create table (?:if not exists )?(\w+)", "\n".join((TABLES, *ADDED))))
