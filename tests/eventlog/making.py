"""Small makers of appends, heads and streams that the tests of logs share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio

from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Log
from perdure.eventlog.records import EMPTY, Append, Head, Record, Tail, sealed

STREAM = "workflow/default/one"
PATIENCE = 10.0


def content(number: int) -> bytes:
    return b'{"at":%d,"epoch":1,"events":[{"type":"Counted","number":%d}]}' % (1000 + number, number)


def head(status: str = "running", wake_at: int | None = None, started_at: int = 1) -> Head:
    return Head(status, wake_at, f"a run that is {status}", started_at, started_at + 1, b'{"colour":"red"}')


def row_of(stream: str, length: int, *, after: Tail = EMPTY, first: int = 1) -> list[Append]:
    """Appends of one event each, every one behind the one before it."""
    appends: list[Append] = []
    for number in range(first, first + length):
        appends.append(sealed(stream, after, content(number), 1))
        after = appends[-1].tail
    return appends


async def accepted(log: Log, appends: Sequence[Append]) -> list[Tail]:
    """The new tails; every append must have been accepted."""
    answers = await log.append(appends)

    assert [answer for answer in answers if isinstance(answer, Conflict)] == []
    return [answer for answer in answers if isinstance(answer, Tail)]


async def grown(log: Log, stream: str, length: int) -> Tail:
    """The tail of a new stream of so many records."""
    return (await accepted(log, row_of(stream, length)))[-1]


async def refused(log: Log, append: Append) -> Conflict:
    (answer,) = await log.append([append])

    assert isinstance(answer, Conflict)
    return answer


async def first_of(records: AsyncIterator[Record], count: int) -> list[Record]:
    """The next so many records of something that may never end."""
    found: list[Record] = []
    with anyio.fail_after(PATIENCE):
        while len(found) < count:
            found.append(await anext(records))
    return found


async def everything(records: AsyncIterator[Record]) -> list[Record]:
    return [record async for record in records]
