"""Serving: the application on a socket of its own, by uvicorn, until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus

import anyio
import h11
import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ...eventlog.errors import Unavailable
from .entrance import HEADER_BYTES_MAX, LongHeaders
from .problems import told

HEADER_SECONDS = 10.0
READ_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 5
GRACE_SECONDS = 5
BACKLOG = 1024


class Punctual(H11Protocol):
    """Closes a connection that does not send the headers of a request in time, or reads no answer; uvicorn waits for both for ever."""

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        self._expect_headers()

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._late is not None:
            self._late.cancel()

    def send_400_response(self, msg: str) -> None:
        """Also where what follows the headers is no body: the request that is being answered hears that its other end is gone."""
        cycle: RequestResponseCycle | None = vars(self).get("cycle")  # None before the first request, which its base does not say
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        fault = sys.exc_info()[1]
        if isinstance(fault, h11.RemoteProtocolError) and fault.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            self._say(*told(LongHeaders.of_request("more")))
        else:
            super().send_400_response(msg)

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """The answer to what is no request, behind which nothing is read."""
        lines = [(name.encode(), text.encode()) for name, text in (headers | {"connection": "close"}).items()]
        head = h11.Response(status_code=status, headers=lines, reason=HTTPStatus(status).phrase.encode())
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        self._expect_headers()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._late, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(HEADER_SECONDS, self.transport.close)


class Server(uvicorn.Server):
    """Leaves signals to who serves the runs, too: these drain after the last request."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp, host: str, port: int) -> AsyncGenerator[str]:
    """Serve until the end of the block; gives the URL, which says the port where `port` is 0. Unavailable where it is taken."""
    listening = _bound(host, port)
    config = uvicorn.Config(
        app, http=Punctual, ws="none", lifespan="off", access_log=False, log_config=None, server_header=False, proxy_headers=False,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX, timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    server = Server(config)
    name = f"[{host}]" if ":" in host else host
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listening])
            try:
                yield f"http://{name}:{listening.getsockname()[1]}"
            finally:
                server.should_exit = True
    finally:
        listening.close()


def _bound(host: str, port: int) -> socket.socket:
    """Listening already, so that who is told the URL is never turned away."""
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise Unavailable("the service cannot listen there", who=f"{host}:{port}", where="--host, --port",
                          expected="an address that is free here",
                          found=str(error), instead="choose another port, or end who has it") from error
    listening.settimeout(0)
    return listening
