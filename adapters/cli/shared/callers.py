"""Who answers for a log: workers in NATS, a service over HTTP, or, for a file that nobody else holds, this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from ....eventlog.errors import Invalid, Unavailable
from ....runtime.authoring.workflows import Workflow
from ....runtime.calling import Calling
from ....runtime.definitions.types import Types
from ...compose import deciding
from ...connecting import connect
from ...urls import is_over_http, is_served
from .environment import api_key
from .places import path_of, url_of

if TYPE_CHECKING:
    from ...http.client import HttpClient

CONNECT_SECONDS = 5.0
PORTS = {"http": 80, "https": 443}


@asynccontextmanager
async def asked_at(url: str) -> AsyncGenerator[Calling]:
    """A client of those who serve it; Unavailable at once where nobody is there: a person waits, and nothing was asked yet."""
    if is_over_http(url):
        await _must_be_there(url)
    async with connect(url, key=api_key() if is_over_http(url) else "") as client:
        yield client


@asynccontextmanager
async def service_at(url: str) -> AsyncGenerator[HttpClient]:
    """A client of a service, for what a service alone can be asked."""
    from ...http.client import HttpClient

    async with asked_at(url) as client:
        assert isinstance(client, HttpClient)
        yield client


async def _must_be_there(url: str) -> None:
    """Unavailable where nothing listens."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    except ValueError as error:
        raise Invalid("the URL of a service cannot be read", who="--log", where=url, expected="http://HOST:PORT", found=str(error),
                      instead="correct it") from error
    found = f"no connection within {CONNECT_SECONDS:g} s"
    with anyio.move_on_after(CONNECT_SECONDS):
        try:
            await (await anyio.connect_tcp(host, port)).aclose()
        except OSError as error:
            found = str(error.__cause__ or error)
        else:
            return
    raise Unavailable("no service listens there", who="--log", where=url, expected="a service: 'perdure serve'", found=found,
                      instead="start it, or correct the host and the port")


@asynccontextmanager
async def caller_of(
    log: str, *, exists: bool, workflows: Sequence[Workflow[..., Any]] = (), types: Callable[[], Types] | None = None
) -> AsyncGenerator[Calling]:
    """Who answers for the log at a path or a URL; NotFound for a file that `exists` wants and that does not.

    Those who serve a log have its code. Where nobody does, `workflows` and `types` are the code of this process.
    """
    url = url_of(log)
    if is_served(url):
        async with asked_at(url) as client:
            yield client
        return
    if exists:
        path_of(log)
    async with deciding(url, workflows, types() if types else None) as runtime:
        yield runtime
