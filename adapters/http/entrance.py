"""The entrance: what every request meets before it is routed. One whose length can be read in two ways is refused there."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from .problems import of_framework

LENGTH, CODING = b"content-length", b"transfer-encoding"


class Entrance:
    """Routes by the path as it was sent, so that an id may hold any character, `/` among them, as `%2F`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (refused if is_ambiguous(scope) else self._app)(_with_encoded_path(scope), receive, send)


def is_ambiguous(scope: Any) -> bool:
    """Whether a proxy in front may have seen its end elsewhere, and what follows as part of it, or as a request of its own."""
    if scope["type"] != "http":
        return False
    names = [name for name, _ in scope["headers"]]
    return CODING in names and LENGTH in names


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing that follows on the connection is read."""
    status, headers, body = of_framework(400, "both content-length and transfer-encoding")
    await ASGIResponse(body=body, status_code=status, headers=headers | {"connection": "close"})(scope, receive, send)


def _with_encoded_path(scope: Any) -> Any:
    if scope["type"] != "http" or not (scope.get("root_path") or b"%" in scope.get("raw_path", b"%")):
        return scope
    return {**scope, "path": encoded_path(scope), "root_path": ""}


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
