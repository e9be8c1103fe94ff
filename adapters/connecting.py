"""Connecting: a client of the workers that serve a namespace, for programs that serve no runs themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..eventlog.errors import Invalid, Unavailable
from ..runtime.authoring.workflows import Workflow
from ..runtime.calling import Calling
from .system.clock import SystemClock, SystemIds, owner
from .urls import is_in_nats, is_over_http, must_be_url

if TYPE_CHECKING:
    from .http.client import HttpClient
    from .nats.client import Client


@asynccontextmanager
async def connect(url: str, *, workflows: Iterable[Workflow[..., Any]] = (), key: str = "") -> AsyncGenerator[Calling]:
    """A client with the methods of a runtime, until the end of the block.

    `nats://HOST:4222/NAMESPACE` is a namespace that workers serve, `http://HOST:8000` a service (`perdure serve`), for which `key`
    is a key or a token: it says who asks, and in which tenant. `workflows` are needed only to decode results of runs that this
    client did not start. Raises Unavailable where the server cannot be reached; a request raises it where nobody answers in its
    time, and counts once when it is repeated.
    """
    must_be_url(url, "perdure.connect", "nats://HOST:PORT/NAMESPACE or http://HOST:PORT")
    over_http = is_over_http(url)
    if key and not over_http:
        raise Invalid("only a service over HTTP asks for a key", who="perdure.connect", where="key", expected="http://HOST:PORT",
                      found=repr(url.partition("?")[0]), instead="leave it out: NATS knows its clients by what the URL names")
    async with _over_http(url, workflows, key) if over_http else _over_nats(url, workflows) as client:
        yield client


@asynccontextmanager
async def _over_http(url: str, workflows: Iterable[Workflow[..., Any]], key: str) -> AsyncGenerator[HttpClient]:
    try:
        import httpx

        from .http.client import HttpClient
    except ModuleNotFoundError as missing:
        raise Unavailable("the client for HTTP is not installed", who="perdure.connect", where="http://",
                          expected="the packages of perdure[service]", found=f"no module {missing.name}",
                          instead="pip install 'perdure[service]'") from missing
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, follow_redirects=False, trust_env=False) as http:
        yield HttpClient(http, workflows)


@asynccontextmanager
async def _over_nats(url: str, workflows: Iterable[Workflow[..., Any]]) -> AsyncGenerator[Client]:
    if not is_in_nats(url):
        raise Invalid("a client speaks to workers in NATS", who="perdure.connect", where="url",
                      expected="nats://HOST:PORT/NAMESPACE or http://HOST:PORT",
                      found=repr(url.partition("?")[0]), instead="open an embedded log in this process with perdure.open")
    try:
        from .nats.client import Client
        from .nats.url import place_of
        from .nats.wire.connection import connect as reach
    except ModuleNotFoundError as missing:
        raise Unavailable("the client for NATS is not installed", who="perdure.connect", where="nats://", expected="the package nats-py",
                          found=f"no module {missing.name}", instead="pip install 'perdure[nats]'") from missing
    place = place_of(url)
    name, ids, clock = f"{owner()}.{uuid4().hex[:8]}", SystemIds(), SystemClock()
    async with reach(place.servers, name=f"perdure client {name}", **place.settings()) as connection:
        yield Client(connection, place, name, ids.run_id, workflows, now=clock.now)
