"""A queue worker: takes orders of some queues in NATS, has a step worker perform them, and serves no run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from nats.aio.msg import Msg

from ....actors.ports import Clock
from ....eventlog.blobs import Blobs
from ....eventlog.errors import NotFound, PerdureError
from ....eventlog.log import Records
from ....runtime.step_worker import StepWorker
from ..doors.door import listening
from ..fitness import fit
from ..owning.presence import worker_id
from ..permissions import performing
from ..records.blobs import JetStreamBlobs
from ..records.log import JetStreamLog
from ..url import Place, place_of
from ..wire.buckets import LOG, PARTITIONS, TASKS, adopted, existing, found_differences, refuse
from ..wire.connection import connect
from ..wire.consumers import ACK_WAIT_SECONDS, Consumer, had
from ..wire.messages import Subjects
from ..wire.permitted import permitted
from ..wire.pulling import PAUSE, deliveries
from ..wire.store import Store
from .hand import Hand
from .orders import consumer_of, stop_subject
from .reports import Reports

logger = logging.getLogger("perdure.nats")

ACK_SECONDS: float = ACK_WAIT_SECONDS
"""So long after the last sign of life of a worker, an order that it had is handed to another."""


class Seat:
    """A place for a step worker in a namespace."""

    def __init__(self, store: Store, clock: Clock, *, ack_seconds: float) -> None:
        self.name = worker_id()
        self.blobs: Blobs = JetStreamBlobs(store)
        self.log: Records = JetStreamLog(store)
        self._store = store
        self._ack_seconds = ack_seconds
        self._namespace = store.subjects.namespace
        self._hand = Hand(store, Reports(store.connection, self._namespace), clock, self.name, ack_seconds=ack_seconds)

    def tell(self, stream: str, command: Any) -> None:
        """Have a run know what its step worker has to say."""
        self._hand.tell(stream, command)

    @asynccontextmanager
    async def taking(self, worker: StepWorker, queues: Sequence[str]) -> AsyncGenerator[None]:
        """Have orders of these queues performed until the end of the block; then let what runs end in its time, and hand back the rest."""
        hand = self._hand
        hand.worker = worker
        consumers = [consumer_of(self._store.subjects, queue, self._ack_seconds) for queue in queues]
        await permitted(self._store.connection, {}, performing(self._store.subjects, queues))
        for consumer in consumers:
            await had(self._store, consumer)

        async def stop(message: Msg) -> None:
            hand.stop(message.data.decode(errors="replace"))

        async with listening(self._store.connection, {stop_subject(self._namespace, queue): stop for queue in queues}):
            serving = asyncio.create_task(hand.serve())
            pulling = [asyncio.create_task(self._pull(consumer)) for consumer in consumers]
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    for task in pulling:
                        task.cancel()
                    await asyncio.wait(pulling)
                    await hand.close()
                    serving.cancel()
                    await asyncio.wait([serving])

    async def _pull(self, consumer: Consumer) -> None:
        """Take what is in a queue, until cancelled; what fails is begun anew."""
        while True:
            try:
                async for delivery in deliveries(self._store, consumer, self._hand.room):
                    await self._hand.take(delivery)
            except PerdureError as away:
                logger.warning("nats: taking from queue %r waits: %s", consumer.name, away)
                await asyncio.sleep(PAUSE)


@asynccontextmanager
async def seated(url: str, clock: Clock) -> AsyncGenerator[Seat]:
    """A place in the namespace that a URL names; NotFound where nobody has made that, for it is not made here."""
    place = place_of(url)
    async with connect(place.servers, name="perdure queue worker", **place.settings()) as connection:
        store = Store(connection, Subjects(place.namespace, PARTITIONS))
        await fit(store)
        await _found(store, place)
        yield Seat(store, clock, ack_seconds=ACK_SECONDS)


async def _found(store: Store, place: Place) -> None:
    """Know the namespace as it was made."""
    there = await existing(store, (LOG, TASKS))
    for bucket in (LOG, TASKS):
        if bucket.part not in there:
            raise NotFound("the namespace is not there, or has no task queues", who=place.hidden,
                           expected=f"a stream {store.subjects.bucket_of(bucket.part)}", found="none",
                           instead="start a worker of its runs first, or `perdure nats init`; or correct the namespace in the URL")
    store.subjects = adopted(store.subjects, there[LOG.part])
    refuse(found_differences(store.subjects, (TASKS,), there))
