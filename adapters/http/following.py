"""Following: the events of a run as server-sent events, which a client takes up again where it was by `Last-Event-ID`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

import anyio
import msgspec
from msgspec import Raw

from ...eventlog.errors import Invalid, PerdureError
from ...runtime.perform.watching import OVER
from ...runtime.requests import EventPage
from .operations import Answer, Call
from .problems import problem_of

MEDIA = "text/event-stream"
HEARTBEAT = timedelta(seconds=15)
"""After so long without an event a comment is sent, so that both ends see that the other lives."""

STREAM_SECONDS = 600.0
"""A stream ends after so long: who follows on comes again, and is looked at again: their key may have been revoked."""

PAGE = 200
RETRY_MS = 1000


def wants_stream(call: Call) -> bool:
    return MEDIA in call.headers.get("accept", "")


async def stream(call: Call, since: int, types: tuple[str, ...]) -> Answer:
    """The stream; 204 where nothing is ever to come behind `Last-Event-ID`, so that browsers stop asking."""
    resumed = call.headers.get("last-event-id", "")
    if resumed and not (resumed.isascii() and resumed.isdigit() and len(resumed) < 18):  # noqa: PLR2004 - digits of 64 bits
        raise Invalid("a Last-Event-ID does not fit", who="the request", where="header last-event-id",
                      expected="the id of an event, a number",
                      found=repr(resumed[:40]), instead="send what the last event said, or nothing")
    since = int(resumed) if resumed else since
    first = await _page(call, since, types, timedelta(0))
    if resumed and _is_over(first) and not first.events:
        return Answer(Raw(b""), 204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Answer(stream=_told(call, first, types), headers=headers, media=MEDIA)


async def _page(call: Call, since: int, types: tuple[str, ...], wait: timedelta) -> EventPage:
    return await call.runtime.events(call.run, since=since, types=types, limit=PAGE, wait=wait, tenant=call.tenant)


def _is_over(page: EventPage) -> bool:
    return page.status in OVER and not page.more


async def _told(call: Call, page: EventPage, types: tuple[str, ...]) -> AsyncGenerator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    until = anyio.current_time() + STREAM_SECONDS
    while anyio.current_time() < until:
        for line in page.events:
            data = msgspec.json.encode(line)
            yield b"id: %d\nevent: run\ndata: %b\n\n" % (line.version, data)
        if _is_over(page):
            yield b"id: %d\nevent: end\ndata: %b\n\n" % (page.since, msgspec.json.encode({"status": page.status}))
            return
        if not page.events:
            yield b": waiting\n\n"
        try:
            page = await _page(call, page.since, types, HEARTBEAT)
        except PerdureError as error:
            yield b"event: problem\ndata: %b\n\n" % msgspec.json.encode(problem_of(error))
            return
