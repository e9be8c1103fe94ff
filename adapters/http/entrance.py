"""The entrance: what every request meets before it is routed.

One whose length can be read in two ways is refused there, and one with more headers than a request may have.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from ...eventlog.errors import PerdureError
from .problems import of_framework, told

LENGTH, CODING = b"content-length", b"transfer-encoding"

HEADER_BYTES_MAX = 32 * 1024
"""Bytes that the line of a request and its headers may have."""

ROOT = "perdure_root"
"""Where the service is mounted, as the scope of a request has it behind the entrance, ready for a URL."""

PER_HEADER = 4
"""A colon, a space, and the end of the line."""


class LongHeaders(PerdureError):
    """The headers of a request have more bytes than are read."""

    code, exit_code, http_status = "long_headers", 5, 431

    @classmethod
    def of_request(cls, found: str) -> LongHeaders:
        return cls("the headers of the request are too long", who="the request", where="headers",
                   expected=f"at most {HEADER_BYTES_MAX} bytes", found=found, instead="send less there: what is long goes into the body")


class Entrance:
    """Routes by the path as it was sent, so that an id may hold any character, `/` among them, as `%2F`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (refusal_of(scope) or self._app)(_with_encoded_path(scope), receive, send)


def refusal_of(scope: Any) -> ASGIApp | None:
    """What answers a request that comes no further; None where it does."""
    if scope["type"] != "http":
        return None
    if is_ambiguous(scope):
        return refused
    size = bytes_of_head(scope)
    return _too_long(size) if size > HEADER_BYTES_MAX else None


def is_ambiguous(scope: Any) -> bool:
    """Whether a proxy in front may have seen its end elsewhere, and what follows as part of it, or as a request of its own."""
    names = [name for name, _ in scope["headers"]]
    return CODING in names and LENGTH in names


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing that follows on the connection is read."""
    status, headers, body = of_framework(400, "both content-length and transfer-encoding")
    await ASGIResponse(body=body, status_code=status, headers=headers | {"connection": "close"})(scope, receive, send)


def bytes_of_head(scope: Any) -> int:
    """Of all that stands before the body, much as it was sent: who reads the wire bounds only what comes in more than one piece."""
    line = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) + PER_HEADER for name, value in scope["headers"])


def _too_long(size: int) -> ASGIApp:
    status, headers, body = told(LongHeaders.of_request(f"{size} bytes"))
    return ASGIResponse(body=body, status_code=status, headers=headers | {"connection": "close"})


def _with_encoded_path(scope: Any) -> Any:
    if scope["type"] != "http" or not (scope.get("root_path") or b"%" in scope.get("raw_path", b"%")):
        return scope
    return {**scope, "path": encoded_path(scope), "root_path": "", ROOT: quote(scope.get("root_path", ""))}


def encoded_path(scope: Any) -> str:
    """The path of a request below where the service is mounted, each part as it was sent."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    below = path.removeprefix(root) if root and path.startswith(root) else path
    raw: bytes | None = scope.get("raw_path")
    sent = "" if raw is None else raw.decode("latin-1").partition("?")[0]
    whole = unquote(sent)
    if not whole.endswith(below):
        return quote(below)
    above = whole.removesuffix(below).count("/")
    return "/" + "/".join(sent.split("/")[above + 1 :])
