"""Joining: this process as one of the workers that serve a namespace together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from ...eventlog.errors import Unavailable
from ...eventlog.log import Carrier
from ...runtime.engine import Runtime
from .buckets import ALIVE, PARTITIONS, prepare
from .carrying import carrying, prepared
from .connection import connect
from .doors.door import door
from .doors.inbox import TURN, inbox
from .doors.road import Road, road
from .fences import Fences
from .messages import Subjects
from .open import on_asyncio
from .ownership import Partitions
from .presence import Presence, worker_id
from .store import Store
from .url import Place, place_of


class Membership:
    """A carrier, and which partitions of it are this worker's."""

    def __init__(self, place: Place, store: Store, carrier: Carrier, partitions: Partitions) -> None:
        self.carrier = carrier
        self.partitions = partitions
        self._place = place
        self._store = store

    @asynccontextmanager
    async def serving(self, runtime: Runtime) -> AsyncGenerator[None]:
        """Take part in serving the log until the end of the block: partitions come, and requests of clients and other workers."""
        connection, namespace, partitions = self._store.connection, self._place.namespace, self.partitions
        async with (
            road(connection, runtime, namespace, partitions.owner_of) as neighbours,
            self._heeding(neighbours),
            partitions.serving(runtime),
            inbox(self._store, runtime, replicas=self._place.replicas, has_turn=lambda: partitions.epoch(TURN) is not None),
            door(connection, runtime, namespace),
        ):
            yield

    @asynccontextmanager
    async def _heeding(self, neighbours: Road) -> AsyncGenerator[None]:
        """What is asked of a worker that is taken for dead is asked again at once, of whoever takes its place."""
        self.partitions.presence.died = lambda worker: self._store.connection.give_up_on(neighbours.subject(worker))
        yield


@asynccontextmanager
async def joined(url: str, *, hand_over_seconds: float) -> AsyncGenerator[Membership]:
    """The log that a URL names, made if there is none. Nothing of it is owned before `serving`."""
    place = place_of(url)
    if not on_asyncio():
        raise Unavailable("the client for NATS runs on asyncio alone", who=place.hidden, expected="asyncio, or uvloop",
                          found="another event loop", instead="anyio.run(main), without backend='trio'")
    worker = worker_id()
    async with connect(place.servers, name=f"perdure {worker}", **place.settings()) as connection:
        store = Store(connection, Subjects(place.namespace, PARTITIONS))
        lasts = await prepared(store, place)
        presence = Presence(connection, store.subjects, worker, revive=partial(prepare, store, [ALIVE], place.replicas))
        async with carrying(store, lasts, presence.suspect) as ours:
            partitions = Partitions(Fences(store), presence, ours.keeper, hand_over_seconds=hand_over_seconds)
            yield Membership(place, store, ours.carrier, partitions)
