"""Joining: this process as one of the workers that serve a namespace together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from ...actors.storing import Shared
from ...runtime.authoring.triggers import Trigger
from ...runtime.engine import Runtime
from .carrying import Carrying, carrying, prepared
from .doors.inbox import consumer_of
from .doors.opening import doors
from .doors.road import Road, road
from .owning.fences import Fences
from .owning.ownership import Partitions
from .owning.presence import Presence, worker_id
from .permissions import appending, serving
from .queues.orders import Orders
from .url import Place, place_of
from .wire.buckets import ALIVE, PARTITIONS, prepare
from .wire.connection import Connection, connect
from .wire.consumers import had
from .wire.messages import Subjects
from .wire.permitted import permitted
from .wire.store import Store

PIECE = 666
"""Runs of a turn that are on their way to the server while the next are decided: it takes about as long for them as deciding does.

Two thirds of an atomic batch, of which each costs the server several syncs: fewer runs cost more of these, more leave it idle meanwhile."""


class Membership:
    """A carrier, and which partitions of it are this worker's."""

    def __init__(self, place: Place, store: Store, ours: Carrying, partitions: Partitions) -> None:
        self.carrier = ours.carrier
        self.partitions = partitions
        self.task_queues = Orders(store)
        self.shared = Shared(
            ours.committer.ending.tails_of, PIECE, reading_is_dear=True, is_sure=lambda: partitions.is_sure, made_up=ours.evidence.made_up
        )
        self._committer = ours.committer
        self._place = place
        self._store = store

    @asynccontextmanager
    async def serving(self, runtime: Runtime, triggers: Iterable[Trigger] = ()) -> AsyncGenerator[None]:
        """Take part in serving the log until the end of the block: partitions come, and requests of clients and other workers.

        Requests and answers have a connection of their own, so that records do not wait behind them.
        """
        place, partitions, committer = self._place, self.partitions, self._committer
        async with (
            connect(place.servers, name=f"perdure {partitions.owner}, doors", **place.settings()) as talk,
            road(talk, runtime, place.namespace, partitions.owner_of) as neighbours,
            self._heeding(neighbours, talk),
            self.task_queues.serving(),
            partitions.serving(runtime),
            doors(Store(talk, self._store.subjects), runtime, committer, owns=self._owns, triggers=triggers, replicas=place.replicas),
        ):
            yield

    def _owns(self, stream: str) -> bool:
        return self.partitions.epoch(stream) is not None

    @asynccontextmanager
    async def _heeding(self, neighbours: Road, talk: Connection) -> AsyncGenerator[None]:
        """What is asked of a worker that is taken for dead is asked again at once, of whoever takes its place."""
        self.partitions.presence.died = lambda worker: talk.give_up_on(neighbours.subject(worker))
        yield


@asynccontextmanager
async def joined(url: str, *, hand_over_seconds: float) -> AsyncGenerator[Membership]:
    """The log that a URL names, made if there is none. Nothing of it is owned before `serving`."""
    place = place_of(url)
    worker = worker_id()
    async with connect(place.servers, name=f"perdure {worker}", **place.settings()) as connection:
        store = Store(connection, Subjects(place.namespace, PARTITIONS))
        lasts = await prepared(store, place)
        hear, say = serving(store.subjects, worker)
        await permitted(connection, hear, appending(store.subjects) | say)
        await had(store, consumer_of(store.subjects))
        presence = Presence(connection, store.subjects, worker, revive=partial(prepare, store, [ALIVE], place.replicas))
        async with carrying(store, lasts, presence.suspect) as ours:
            ours.committer.reached = presence.reached
            partitions = Partitions(Fences(store), presence, ours.keeper, hand_over_seconds=hand_over_seconds)
            yield Membership(place, store, ours, partitions)
