"""Watching: the events of a run as its log keeps them, page by page, and the wait for the next of them.

However many wait, the log is asked once in a while for all of them together: so it is the same on every carrier, whichever node
writes, and a thousand who follow cost little more than one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, cast

import anyio
import msgspec
from msgspec import Struct

from ...eventlog.codec import Stored
from ...eventlog.errors import Corrupt, Invalid, PerdureError
from ...eventlog.log import Log
from ...eventlog.records import Record
from ...eventlog.streams import stream_of
from ..authoring.words import moment
from ..requests import EventLine, EventPage, LookAtRun, ReadEvents
from ..requests.paging import must_be_known
from ..run.events import CODEC
from ..run.state import ENDED

if TYPE_CHECKING:
    from ..calling import Calling

LOOKS_EVERY = 0.1
"""Seconds between two looks for those who wait."""

WAIT_MAX = 60.0
PAGE_BYTES = 4 * 1024 * 1024
"""A page ends with the event that makes it larger than this."""

PAUSE_AFTER_ERROR = 1.0

OVER = ENDED | {"moved"}

TYPES = tuple(sorted(event.__name__ for event in CODEC.events))
"""What an event of a run may be."""

logger = logging.getLogger("perdure.runtime")


class _Tagged(Struct, gc=False):
    type: str


_stored = msgspec.json.Decoder(Stored).decode
_tagged = msgspec.json.Decoder(_Tagged).decode


class Watching:
    """Reads pages of events at any time; who waits for more is rung by `serve`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[str, dict[anyio.Event, int]] = {}
        """By stream: who waits, and for what is behind which version."""
        self._called = anyio.Event()

    async def page(self, caller: Calling, asked: ReadEvents) -> EventPage:
        """The page that is asked for; `caller` knows how the run stands."""
        if asked.since < 0 or not 0 <= asked.wait <= WAIT_MAX:
            raise Invalid("a page of events cannot begin or wait so", who=f"run {asked.run!r}", where="since, wait",
                          expected=f"a version from 0, and 0 to {WAIT_MAX:g} seconds", found=f"{asked.since}, {asked.wait:g} s",
                          instead="begin with since=0, and go on with page.since")
        must_be_known("types", asked.types, TYPES)
        look = LookAtRun(tenant=asked.tenant, run=asked.run, within=asked.within)
        stream, standing = stream_of("run", asked.tenant, asked.run), await caller.do(look)
        if asked.since >= standing.version and asked.wait and standing.status not in OVER:
            await self._grown(stream, standing.version, asked.wait if asked.within is None else min(asked.wait, asked.within))
            standing = await caller.do(look)
        lines, since = await self._lines(stream, asked) if asked.since < standing.version else ([], asked.since)
        return EventPage(asked.run, lines, since, since < standing.version, standing.status)

    async def _lines(self, stream: str, asked: ReadEvents) -> tuple[list[EventLine], int]:
        """(the events of the page, the version of the last event that was looked at)."""
        lines, since, size = list[EventLine](), asked.since, 0
        async with aclosing(_behind(self._log, stream, asked.since)) as records:
            async for record in records:
                for line in _lines_of(record, since):
                    since = line.version
                    if not asked.types or _tagged(line.event).type in asked.types:
                        lines.append(line)
                        size += len(line.event)
                    if len(lines) >= asked.limit or size > PAGE_BYTES:
                        return lines, since
        return lines, since

    async def _grown(self, stream: str, version: int, seconds: float) -> None:
        """Return once there is something behind the version, or the time is over."""
        bell = anyio.Event()
        self._waiting.setdefault(stream, {})[bell] = version
        self._called.set()
        try:
            with anyio.move_on_after(seconds):
                await bell.wait()
        finally:
            if (waiting := self._waiting.get(stream)) is not None:
                waiting.pop(bell, None)
                if not waiting:
                    del self._waiting[stream]

    async def serve(self) -> None:
        """Ring those for whom there is something new, for ever."""
        while True:
            await self._called.wait()
            await anyio.sleep(LOOKS_EVERY)
            after = {stream: min(waiting.values()) for stream, waiting in self._waiting.items()}
            if not after:
                self._called = anyio.Event()
                continue
            try:
                grown: Sequence[str] = [stream for stream, records in (await self._log.load(after)).items() if records]
            except PerdureError as error:
                logger.warning("it cannot be seen what is new of %d runs that are followed: %s", len(after), error.message)
                await anyio.sleep(PAUSE_AFTER_ERROR)
                grown = list(after)  # each looks for itself, and hears what is wrong with its own run
            for stream in grown:
                for bell in self._waiting.pop(stream, {}):
                    bell.set()


async def _behind(log: Log, stream: str, since: int) -> AsyncGenerator[Record]:
    """The records that hold what is behind a version; where it lies in the midst of a record, from the beginning of the stream."""
    place = since
    async with aclosing(cast("AsyncGenerator[Record]", log.read(stream, after=since))) as records:
        async for record in records:
            if place == since and (record.first > since + 1 or not record.data):
                break
            place = record.last
            yield _whole(record)
    if place > since:
        return
    async with aclosing(cast("AsyncGenerator[Record]", log.read(stream))) as records:
        async for record in records:
            if record.last > since:
                yield _whole(record)


def _whole(record: Record) -> Record:
    """The record; Corrupt where it only stands for one that there was: a reader that begins inside a record is given such a one, too."""
    if not record.data:
        raise Corrupt("the end of a run is lost", who=f"stream {record.stream!r}", expected=f"a record up to version {record.last}",
                      found="none", instead="run 'perdure log verify' to see how far the damage goes")
    return record


def _lines_of(record: Record, since: int) -> Iterator[EventLine]:
    """The events of a record behind a version."""
    stored = _stored(record.data)
    at, skipped = moment(stored.at), max(0, since + 1 - record.first)
    for place, event in islice(enumerate(stored.events), skipped, None):
        yield EventLine(record.first + place, at, event)
