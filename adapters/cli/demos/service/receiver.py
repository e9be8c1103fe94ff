"""Somebody outside: a server on this machine that takes webhooks and verifies them as Standard Webhooks say, by its own few lines."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import Any

from msgspec import Struct

from .....eventlog.errors import Unavailable

TOLERANCE = 300
"""Seconds that a signature may be old."""
BODY_BYTES_MAX = 1024 * 1024
HELD = 100


class Arrived(Struct, frozen=True):
    """A webhook as it came, and whether its signature holds."""

    id: str
    signature: str
    body: bytes
    verified: bool


class Receiver:
    """Its URL, and what has come."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/answers"
        self._came: Queue[Arrived] = Queue(HELD)

    def take(self, arrived: Arrived) -> None:
        self._came.put(arrived, timeout=1)

    def wait(self, seconds: float) -> Arrived:
        """The next webhook."""
        try:
            return self._came.get(timeout=seconds)
        except Empty as none:
            raise Unavailable("no webhook came", who="the receiver of the demo", where=self.url, expected=f"one within {seconds:g} s",
                              found="none", instead="see: perdure webhooks dead") from none


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the signatures is that of `id.timestamp.body` by the secret, and not too old."""
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not at.isdecimal() or abs(now - int(at)) > TOLERANCE:
        return False
    key = b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256")).decode()
    return any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split())


@contextmanager
def receiving(secret: str) -> Generator[Receiver]:
    """A receiver that knows the secret, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length", "0")), BODY_BYTES_MAX))
            headers = {name.lower(): value for name, value in self.headers.items()}
            verified = is_signed(secret, headers, body, time.time())
            receiver.take(Arrived(headers.get("webhook-id", ""), headers.get("webhook-signature", ""), body, verified))
            self.send_response(204 if verified else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the library
            """What came is told by the demo."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
