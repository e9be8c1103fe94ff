"""Connecting: a client of the workers that serve a namespace, for programs that serve no runs themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..eventlog.errors import Invalid, Unavailable
from ..runtime.authoring.workflows import Workflow
from .system.clock import SystemClock, SystemIds, owner

if TYPE_CHECKING:
    from .nats.client import Client


@asynccontextmanager
async def connect(url: str, *, workflows: Iterable[Workflow[..., Any]] = ()) -> AsyncGenerator[Client]:
    """A client of the namespace at `nats://HOST:4222/NAMESPACE`, with the methods of a runtime, until the end of the block.

    `workflows` are needed only to decode results of runs that this client did not start. Raises Unavailable where the server
    cannot be reached; a request raises it where no worker answers in its time, and counts once when it is repeated.
    """
    if url.partition(":")[0] not in ("nats", "tls"):
        raise Invalid("a client speaks to workers in NATS", who="perdure.connect", where="url", expected="nats://HOST:PORT/NAMESPACE",
                      found=repr(url.partition("?")[0]), instead="open an embedded log in this process with perdure.open")
    try:
        from .nats.client import Client
        from .nats.open import on_asyncio
        from .nats.url import place_of
        from .nats.wire.connection import connect as reach
    except ModuleNotFoundError as missing:
        raise Unavailable("the client for NATS is not installed", who="perdure.connect", where="nats://", expected="the package nats-py",
                          found=f"no module {missing.name}", instead="pip install 'perdure[nats]'") from missing
    place = place_of(url)
    if not on_asyncio():
        raise Unavailable("the client for NATS runs on asyncio alone", who=place.hidden, expected="asyncio, or uvloop",
                          found="another event loop", instead="anyio.run(main), without backend='trio'")
    name, ids, clock = f"{owner()}.{uuid4().hex[:8]}", SystemIds(), SystemClock()
    async with reach(place.servers, name=f"perdure client {name}", **place.settings()) as connection:
        yield Client(connection, place.namespace, name, ids.run_id, workflows, now=clock.now)
