"""A receiver that fails in every way there is: each path names its fault, and after how many failures all is well.

It notes what it was asked and what it made of it, so that what senders believe can be held against that.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

PATIENCE = 0.5
"""Seconds that an attempt of the senders may take."""

STATUSES = [*range(200, 209), *range(300, 309), *range(400, 432), 451, *range(500, 512), 599]
FAULTS = ("silent", "reset", "closes", "slow", "trickles", "garbage", "half")


@dataclass
class Seen:
    """One request: when it came, to which path, with which headers and body, and whether it was told that all is well."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    well: bool = False


@dataclass
class Unruly:
    """Paths are `/<fault or status>/<failures before all is well>/<name>`."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list[Seen])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def note(self, seen: Seen) -> int:
        """How often its path was asked for before."""
        with self.lock:
            self.seen.append(seen)
            return sum(other.path == seen.path for other in self.seen) - 1


@contextmanager
def unruly() -> Generator[Unruly]:
    receiver = Unruly()

    class Handler(BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            self.request.settimeout(5)
            try:
                seen = read(self.request)
                _, fault, failures, _ = seen.path.split("/", 3)
                if receiver.note(seen) >= int(failures):
                    fault = "200"
                answer(self.request, fault, seen, receiver.url)
            except OSError:  # the sender was killed
                pass

    class Server(ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 200

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A sender that is killed in the middle of a request has nothing more to say."""

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def read(wire: socket.socket) -> Seen:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(wire)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _some(wire)
    return Seen(time.time(), first.split(" ")[1], headers, body)


def _some(wire: socket.socket) -> bytes:
    data = wire.recv(65536)
    if not data:
        raise OSError("the sender has gone")
    return data


def answer(wire: socket.socket, fault: str, seen: Seen, url: str) -> None:
    match fault:
        case "silent":
            time.sleep(2 * PATIENCE)
        case "reset":
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "closes":
            pass
        case "slow":
            time.sleep(2 * PATIENCE)
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        case "trickles":
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
                wire.sendall(bytes([byte]))
                time.sleep(PATIENCE / 10)
        case "garbage":
            wire.sendall(b"\x00\xff\x13 220 ready\r\n\r\n")
        case "half":
            wire.sendall(b"HTTP/1.1 503 Service")
        case _:
            extra = f"Location: {url}/200/0/redirected\r\n" if fault.startswith("3") else "Retry-After: 1\r\n" if fault == "429" else ""
            seen.well = fault.startswith("2")
            none = fault in ("204", "304")
            body = "" if none else "so"
            wire.sendall(f"HTTP/1.1 {fault} So\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode())
