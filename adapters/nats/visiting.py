"""Visiting: a log in NATS beside the workers that serve it. A visitor owns nothing; what runs are told, their owners decide."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from msgspec import Struct

from ...eventlog.log import Carrier
from .carrying import carrying, prepared
from .client import Client
from .url import place_of
from .wire import api
from .wire.buckets import PARTITIONS
from .wire.connection import Connection, NoAnswer, connect
from .wire.messages import Subjects
from .wire.store import Store

LISTENS_WITHIN = 2.0


class Visit(Struct, frozen=True):
    """What a visitor may use: a carrier of which it owns nothing, and a client of the workers."""

    carrier: Carrier
    client: Client


@asynccontextmanager
async def visited(url: str, *, now: Callable[[], int], run_id: Callable[[int], str]) -> AsyncGenerator[Visit | None]:
    """The log that a URL names, made if there is none, where workers serve it; None where nobody does."""
    place = place_of(url)
    name = f"visitor {uuid4().hex[:8]}"
    async with connect(place.servers, name=f"perdure {name}", **place.settings()) as connection:
        if not await somebody_serves(connection, place.namespace):
            yield None
            return
        store = Store(connection, Subjects(place.namespace, PARTITIONS))
        async with carrying(store, await prepared(store, place)) as ours:
            yield Visit(ours.carrier, Client(connection, place, name, run_id, (), now=now))


async def somebody_serves(connection: Connection, namespace: str) -> bool:
    """Whether a worker listens: the server says at once if none does. An empty request is one that whoever listens declines."""
    try:
        answer = await connection.ask(f"perdure.{namespace}.request.look", b"", within=LISTENS_WITHIN)
    except NoAnswer:
        return True
    return (answer.headers or {}).get(api.STATUS) != api.NO_RESPONDERS
