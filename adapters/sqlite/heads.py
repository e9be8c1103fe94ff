"""The index of heads: written with the appends, read here, rebuilt when it is damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from ...eventlog.errors import Corrupt
from ...eventlog.log import Summary
from ...eventlog.records import EMPTY, Head
from ...eventlog.search import Search
from .attributes import candidates
from .log import SqliteLog
from .rows import HEAD, Row, summary_of

log = logging.getLogger("perdure")

K = TypeVar("K", str, tuple[int, str])

ONE = f"select {HEAD} from head where stream = ?"  # noqa: S608
DUE = f"""select {HEAD} from head where wake_at is not null and wake_at <= ? and (wake_at, stream) > (?, ?)
    order by wake_at, stream limit ?"""  # noqa: S608
ALL = f"select {HEAD} from head where stream > ? and stream >= ? and stream < ? order by stream limit ?"  # noqa: S608

PAGE = 500
"""Heads that a search looks at in one go."""

BEFORE_ALL = (-(2**63), "")
LAST_CHARACTER = "\U0010ffff"


def found_by(search: Search, after: str) -> tuple[Any, ...]:
    """The question for a page of heads that may be wanted, and its values."""
    place, values = candidates(search.where) if search.where else ("head where true", [])
    first = max(search.prefix, after + "\0" if after else "")  # the first name behind `after`: one bound, so that the index can seek it
    question = f"select {HEAD} from {place} and stream >= ? and stream < ? order by stream limit {PAGE}"  # noqa: S608
    return question, *values, first, search.prefix + LAST_CHARACTER


class SqliteHeads:
    """The heads of a SqliteLog; a row that does not fit its seal is Corrupt."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def get(self, stream: str) -> Summary | None:
        found = await self._summaries(ONE, stream)
        return found[0] if found else None

    async def due(self, before: int, *, after: tuple[int, str] | None = None, limit: int = 1000) -> Sequence[Summary]:
        """As promised by the protocol. A damaged row counts as it stands, so that it keeps no other from being found.

        Who is due is only woken by this: how it really stands, its log says.
        """
        found = [summary_or_hint(row) for row in await self._rows(DUE, before, *(after or BEFORE_ALL), limit)]
        return ascending(found, after or BEFORE_ALL, lambda summary: (summary.head.wake_at or 0, summary.stream))

    async def all(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Summary]:
        found = await self._summaries(ALL, after, prefix, prefix + LAST_CHARACTER, limit)
        return ascending(found, after, lambda summary: summary.stream)

    async def find(self, search: Search, *, after: str = "", limit: int = 1000) -> Sequence[Summary]:
        """As promised by the protocol. The index says where to look; what is found is held against heads that prove themselves."""
        found: list[Summary] = []
        while len(found) < limit:
            page = await self._summaries(*found_by(search, after))
            found += (one for one in ascending(page, after, lambda one: one.stream) if search.wants(one.stream, one.head))
            if len(page) < PAGE:
                break
            after = page[-1].stream
        return found[:limit]

    async def rebuild(self, summaries: Sequence[Summary]) -> None:
        await self._log.writing.run_shielded(partial(self._log.writer.rebuild_heads, summaries))

    async def _summaries(self, question: str, *values: Any) -> list[Summary]:
        return [summary_of(row) for row in await self._rows(question, *values)]

    async def _rows(self, question: str, *values: Any) -> list[Row]:
        return await self._log.reading.run(partial(self._log.reader.rows, question, values))


def summary_or_hint(row: Row) -> Summary:
    """The summary in a row; where its seal does not fit, as much of it as says who is to be woken, and when."""
    try:
        return summary_of(row)
    except Corrupt as damage:
        log.warning("%s: its run is woken all the same", damage)
        return Summary(str(row[0]), EMPTY, Head("damaged", int(row[4]), "", 0, 0))


def ascending(page: list[Summary], after: K, key: Callable[[Summary], K]) -> list[Summary]:
    """The page, if each key in it is behind the one before: a damaged index could lead back to a page before, for ever."""
    for summary in page:
        if not key(summary) > after:
            raise Corrupt("the index of heads is out of order", who=summary.stream, where="table head",
                          expected=f"a head behind {after!r}", found=repr(key(summary)),
                          instead="run 'perdure log rebuild': heads are made anew from the log, which is untouched")
        after = key(summary)
    return page
