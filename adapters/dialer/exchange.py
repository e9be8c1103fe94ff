"""One exchange over a stream: a request by HTTP/1.1 is sent, and its answer read, a piece at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import anyio
import anyio.abc
import h11

from ...eventlog.errors import Invalid, Unavailable
from .urls import Target

HEADERS_BYTES_MAX = 32 * 1024
CHUNK = 64 * 1024

NAME, VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t -~]*")
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "proxy-authorization", "te", "trailer", "expect"})
"""Headers that say what the exchange itself is like."""


class Exchange:
    """`headers` by their names in small letters, the last of each; then `more` gives the body, in whatever encoding the server chose."""

    def __init__(self, stream: anyio.abc.ByteStream, target: Target) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._stream = stream
        self._target = target
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADERS_BYTES_MAX)

    async def ask(self, method: str, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Send the request, and read the answer up to its body."""
        try:
            request = h11.Request(method=method, target=self._target.path, headers=[*headers])
            sent = [self._state.send(request), self._state.send(h11.Data(body)) if body else b"", self._state.send(h11.EndOfMessage())]
        except h11.LocalProtocolError as wrong:
            raise Invalid("this is no request", who=self._target.host, where=method, expected="a method and a path of HTTP",
                          found=str(wrong), instead="correct it") from wrong
        try:
            await self._stream.send(b"".join(part for part in sent if part))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as broken:
            raise self._away(broken) from broken
        while not isinstance(event := await self._next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise self._away(event)
        self.status = event.status_code
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}

    async def more(self) -> bytes:
        """The next piece of the body; empty at its end. Unavailable where it breaks off."""
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
            if isinstance(event, h11.ConnectionClosed):
                raise self._away(event)
        return b""

    async def read(self, at_most: int) -> tuple[bytes, bool]:
        """(so many bytes of the body, whether there were more)"""
        found = bytearray()
        while piece := await self.more():
            found += piece
            if len(found) > at_most:
                return bytes(found[:at_most]), True
        return bytes(found), False

    async def _next(self) -> object:
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                try:
                    self._state.receive_data(await self._stream.receive(CHUNK))
                except anyio.EndOfStream:
                    self._state.receive_data(b"")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, h11.RemoteProtocolError) as broken:
            raise self._away(broken) from broken
        return event

    def _away(self, why: object) -> Unavailable:
        said = (str(why) if isinstance(why, Exception) else "") or type(why).__name__
        return Unavailable("a host did not answer", who=self._target.authority, expected="an answer by HTTP", found=said,
                           instead="call it again later")


def headers_for(target: Target, given: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    """What is sent; the host and the length are never others than those of the call."""
    for name, value in given.items():
        must_be_header(name, value, target.host)
    length = [("Content-Length", str(len(body)))] if body else []
    return [("Host", target.authority), ("Connection", "close"), *length, *((name, value.strip()) for name, value in given.items())]


def must_be_header(name: str, value: str, who: str) -> None:
    """Invalid where a header cannot be sent, or is not for callers to set."""
    if name.lower() in OURS:
        raise Invalid("a header is not for callers to set", who=who, where="headers", found=name,
                      expected=f"none of {', '.join(sorted(OURS))}", instead="leave it out")
    if not NAME.fullmatch(name):
        raise Invalid("a header cannot be sent", who=who, where=f"headers, {name[:80]!r}", expected="a name of letters, digits and '-'",
                      found=repr(name[:80]), instead="correct its name")
    if not VALUE.fullmatch(value):
        raise Invalid("a header cannot be sent", who=who, where=f"headers, {name[:80]!r}", expected="visible ASCII and spaces",
                      found=f"{len(value)} characters, and others among them", instead="encode it")
