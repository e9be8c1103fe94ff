"""A receiver of webhooks on this machine: it notes every request whole, and answers as its path says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Request"], tuple[int, dict[str, str]]]


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """`environment` lets a process call it; the first part of a path is the status of the answer."""

    url: str
    environment: dict[str, str]
    requests: list[Request] = field(default_factory=list[Request])
    healed: bool = False
    """From now on all is well."""
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int, within: float = 20.0) -> list[Request]:
        with self.came:
            if not self.came.wait_for(lambda: len(self.requests) >= count, within):
                raise AssertionError(f"{len(self.requests)} of {count} requests came")
            return list(self.requests)


@contextmanager
def receiving() -> Generator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 200 if receiver.healed else int(self.path.split("/")[1])
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{receiver.url}/200")
            if status == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"so")
            with receiver.came:
                receiver.requests.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                receiver.came.notify_all()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the library
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    receiver = Receiver(f"http://127.0.0.1:{port}", open_to(port))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def open_to(port: int) -> dict[str, str]:
    """The settings by which webhooks go to a port of this machine, soon after each other."""
    return {
        "PERDURE_DIAL_HTTP": "1", "PERDURE_DIAL_PORTS": str(port), "PERDURE_DIAL_PRIVATE": "127.0.0.0/8",
        "WORKFLOWS_WEBHOOK_DLQ_BASE_SEC": "0.05", "WORKFLOWS_WEBHOOK_DLQ_MAX_ATTEMPTS": "3",
        "WORKFLOWS_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }  # fmt: skip
