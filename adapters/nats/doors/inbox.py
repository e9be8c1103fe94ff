"""The durable twins of the door: `in.start.…` and `in.run.…`, received once JetStream has stored them, done some time later.

One worker at a time takes them out, so that what is sent to a run is done in the order in which it was received.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import anyio
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ....actors.shelf import VALUE_BYTES_MAX
from ....eventlog.errors import Invalid, PerdureError, Unavailable
from ....runtime.calling import Calling
from ....runtime.requests import AnyRequest, AwaitRun, LookAtRun, PauseRun, QueryRun, StartRun, UpdateRun
from ....runtime.translating import named_by_command, stream_for
from ..wire.buckets import DEAD, INBOX, prepare
from ..wire.consumers import Consumer
from ..wire.messages import Subjects
from ..wire.pulling import Delivery, deliveries
from ..wire.store import Store
from .lanes import DRAIN_SECONDS, Lanes, Parcel
from .subjects import request_of

logger = logging.getLogger("perdure.nats")

CONSUMER = "perdure"
TURN = "door/default/in"
"""The stream whose owner has the turn to take out: nobody writes it."""

LOOKS_EVERY = 0.2
WITHIN = 10.0
"""Seconds of one attempt."""


def consumer_of(subjects: Subjects) -> Consumer:
    """The consumer of the inbox: whoever has the turn pulls from it."""
    return Consumer(subjects.bucket_of(INBOX.part), CONSUMER)


class Created(Struct, frozen=True):
    """When a JetStream stream was made: with it a sequence is like no other, though the stream be made anew."""

    created: datetime

    @property
    def stamp(self) -> str:
        return f"{round(self.created.timestamp() * 1e6):x}"


@asynccontextmanager
async def inbox(
    store: Store, caller: Calling, *, replicas: int = 1, has_turn: Callable[[], bool] = lambda: True, drain_seconds: float = DRAIN_SECONDS
) -> AsyncGenerator[None]:
    """Take out what lies in the inbox of a namespace whenever it is this worker's turn, until the end of the block."""
    await prepare(store, (INBOX, DEAD), replicas)
    bucket = store.subjects.bucket_of(INBOX.part)
    reading = Reading(store.subjects.namespace, bucket, await stamp_of(store, bucket))
    async with taking(Lanes(store, caller, drain_seconds), consumer_of(store.subjects), reading.parcel, has_turn):
        yield


@asynccontextmanager
async def taking(
    lanes: Lanes, consumer: Consumer, parcel: Callable[[Delivery], Parcel], has_turn: Callable[[], bool]
) -> AsyncGenerator[None]:
    """Do what a consumer hands out, until the end of the block."""

    async def pull() -> None:
        async for delivery in deliveries(lanes.store, consumer, lanes.room):
            lanes.take(parcel(delivery))

    services = [asyncio.create_task(lanes.give_signs()), asyncio.create_task(in_turn(has_turn, pull))]
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            services[1].cancel()
            await asyncio.wait(services[1:])
            await lanes.close()
            services[0].cancel()
            await asyncio.wait(services)


async def in_turn(has_turn: Callable[[], bool], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Work while it is our turn, for ever; what breaks is begun anew."""
    task: asyncio.Task[None] | None = None
    try:
        while True:
            if task is None and has_turn():
                task = asyncio.create_task(work())
            elif task is not None and (task.done() or not has_turn()):
                await ended(task)
                task = None
            await asyncio.sleep(LOOKS_EVERY)
    finally:
        if task is not None:
            await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (problem := task.exception()) is not None:
        logger.error("nats: what was taken out in turn broke", exc_info=problem)


class Reading:
    """What messages of the inbox ask for."""

    def __init__(self, namespace: str, bucket: str, stamp: str) -> None:
        self._root = f"perdure.{namespace}."
        self._bucket = bucket
        self._stamp = stamp

    def parcel(self, delivery: Delivery) -> Parcel:
        address = delivery.subject.removeprefix(self._root)
        lane = origin = f"{self._bucket}/{self._stamp}/{delivery.sequence}"
        asked: AnyRequest | PerdureError
        try:
            asked = self._request(delivery, address)
            lane = stream_for(asked)
        except PerdureError as error:
            asked = error
        return Parcel(delivery, asked, lane, f"{self._root}dlq.{address}", origin)

    def _request(self, delivery: Delivery, address: str) -> AnyRequest:
        """Named by its own place if nothing else names it; and it waits for nothing that lasts, for others wait behind it."""
        request = request_of(address.removeprefix("in."), delivery.headers, delivery.data, bytes_max=VALUE_BYTES_MAX)
        if isinstance(request, QueryRun | LookAtRun | AwaitRun):
            raise Invalid("nobody would hear the answer", who=f"subject {address!r}", where="subject", expected="what changes a run",
                          found=f"a {request.__struct_config__.tag}", instead=f"ask {address.removeprefix('in.')!r}, which answers")
        request = named_by_command(request) if isinstance(request, StartRun) else request
        request = replace(request, within=WITHIN, command=request.command or f"in-{self._stamp}/{delivery.sequence}")
        if isinstance(request, StartRun) and not request.run:
            return replace(request, run=f"in-{self._stamp}-{delivery.sequence}")
        return replace(request, wait=False) if isinstance(request, UpdateRun | PauseRun) else request


async def stamp_of(store: Store, bucket: str) -> str:
    """What tells a JetStream stream from one of the same name that was deleted."""
    answer = await store.call(f"STREAM.INFO.{bucket}", {})
    try:
        return msgspec.json.decode(answer, type=Created).stamp
    except msgspec.ValidationError as error:
        raise Unavailable("a JetStream stream does not say when it was made", who=bucket, expected="created", found=answer.decode()[:200],
                          instead="see whether the stream exists and this user may ask for it") from error
