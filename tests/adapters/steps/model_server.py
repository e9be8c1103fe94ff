"""A server on this machine that speaks the protocol of OpenAI: the first part of a path says how it fails before it answers well."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "Rechnungen sind binnen 30 Tagen fällig, 語 immer."
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 3}}


@dataclass
class Models:
    """`asked`: each request, by its scenario; `headers` and `bodies` in the order in which they came."""

    url: str = ""
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    over: threading.Event = field(default_factory=threading.Event)

    def at(self, scenario: str) -> str:
        return f"{self.url}/{scenario}/v1"


def events(usage: dict[str, Any] | None = USAGE) -> Iterator[bytes]:
    """The answer as a model says it: a few characters at a time, its tokens behind it."""
    about = {"id": "c-1", "object": "chat.completion.chunk", "model": "small-1-2026"}
    for start in range(0, len(ANSWER), 5):
        choice = {"index": 0, "delta": {"content": ANSWER[start : start + 5]}, "finish_reason": None}
        yield _event({**about, "choices": [choice], "usage": None})
    yield _event({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage is not None:
        yield _event({**about, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _event(data: Any) -> bytes:
    return b": still here\r\nevent: message\r\ndata: " + json.dumps(data, ensure_ascii=False).encode() + b"\r\n\r\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: Models

    def do_POST(self) -> None:
        scenario, body = self.path.split("/")[1], self.rfile.read(int(self.headers["content-length"]))
        self.models.asked[scenario] += 1
        self.models.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.models.bodies.append(json.loads(body))
        assert self.path.endswith("/v1/chat/completions")
        first = self.models.asked[scenario] == 1
        if first or scenario in ("declined", "quota", "garbage", "redirect", "plain", "uncounted"):
            getattr(self, scenario)()
        else:
            self.ok()

    def ok(self) -> None:
        self.stream(b"".join(events()))

    def uncounted(self) -> None:
        self.stream(b"".join(events(None)))

    def plain(self) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "length"}
        self.say(200, {"id": "c-2", "model": "small", "choices": [choice], "usage": USAGE})

    def busy(self) -> None:
        self.say(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, {"Retry-After": "0"})

    def away(self) -> None:
        self.say(503, "the model is loading")

    def much_later(self) -> None:
        self.say(429, {"error": {"message": "tomorrow"}}, {"Retry-After": "86400"})

    def declined(self) -> None:
        self.say(400, {"error": {"message": "this model has a context of 10 tokens", "code": "context_length_exceeded"}})

    def quota(self) -> None:
        self.say(429, {"error": {"message": "pay first", "code": "insufficient_quota"}})

    def tells_all(self) -> None:
        self.say(500, {"error": {"message": f"cannot read {self.headers['authorization']}"}})

    def garbage(self) -> None:
        self.say(200, "<h1>Welcome</h1>")

    def redirect(self) -> None:
        self.say(302, "", {"Location": f"{self.models.url}/ok/v1/chat/completions"})

    def cut(self) -> None:
        """The connection is gone in the middle of the answer."""
        self.stream(b"".join(list(events())[:4]), end=False)

    def cut_politely(self) -> None:
        """The stream has an end, the answer has none."""
        self.stream(b"".join(list(events())[:4]))

    def cut_behind_the_answer(self) -> None:
        self.stream(b"".join(list(events())[:-2]), end=False)

    def broken_off(self) -> None:
        self.stream(next(events()) + b'data: {"error": {"message": "out of memory"}}\n\n')

    def silent(self) -> None:
        self.stream(next(events()), end=None)

    def stream(self, data: bytes, *, end: bool | None = True) -> None:
        """In chunks that part lines and characters where it happens; without an end the connection is closed, or left open (None)."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(data), 97):
            piece = data[start : start + 97]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if end:
            self.wfile.write(b"0\r\n\r\n")
        elif end is None:
            self.models.over.wait(30)
        self.close_connection = True

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the library
        pass


@contextmanager
def serving_models() -> Generator[Models]:
    models = Models()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"models": models}))
    server.daemon_threads = True
    models.port = server.server_address[1]
    models.url = f"http://127.0.0.1:{models.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield models
    finally:
        models.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
