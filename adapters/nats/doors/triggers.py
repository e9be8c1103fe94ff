"""Triggers at work: messages of others as starts of runs, whose ids come from the messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
from msgspec import Raw
from nats.aio.msg import Msg

from ....actors.shelf import VALUE_BYTES_MAX
from ....eventlog.errors import Invalid, NotFound, PerdureError
from ....eventlog.guard import guard
from ....eventlog.streams import escape, shortened
from ....runtime.authoring.triggers import Trigger
from ....runtime.calling import Calling
from ....runtime.requests import StartRun
from ..wire import api
from ..wire.buckets import DEAD, prepare
from ..wire.connection import Connection
from ..wire.consumers import Consumer, had
from ..wire.pulling import Delivery
from ..wire.store import Store
from .answers import answer_of, refusal
from .door import WITHIN, listening
from .hall import Answer, Bounds, Guest, Hall, hall
from .inbox import stamp_of, taking
from .lanes import Lanes, Parcel

MESSAGE_ID = "Nats-Msg-Id"
ID_BYTES_MAX = 120


@asynccontextmanager
async def heard(connection: Connection, caller: Calling, namespace: str, trigger: Trigger) -> AsyncGenerator[None]:
    """Begin runs by what is said while we listen; one of the workers of the namespace hears each message."""
    async with (
        hall(connection, Bounds()) as inside,
        listening(connection, {trigger.subject: Ear(inside, caller, trigger).hear}, queue=consumer_of(namespace, trigger)),
    ):
        yield


@asynccontextmanager
async def kept(store: Store, caller: Calling, trigger: Trigger, has_turn: Callable[[], bool]) -> AsyncGenerator[None]:
    """Begin a run for every message that a JetStream stream keeps, from its first on."""
    if api.stream_info(await store.call(f"STREAM.INFO.{trigger.stream}", {})).error is not None:
        raise NotFound("the JetStream stream of a trigger is not there", who=f"trigger {trigger.subject!r}", where="stream",
                       expected="a stream that keeps these messages", found=trigger.stream,
                       instead="make it first, or leave the stream out to hear messages as they come")
    await prepare(store, (DEAD,))
    namespace = store.subjects.namespace
    reading = Reading(trigger, await stamp_of(store, trigger.stream), f"perdure.{namespace}.dlq.trigger.{escape(trigger.called)}")
    consumer = Consumer(trigger.stream, consumer_of(namespace, trigger), trigger.subject)
    await had(store, consumer)
    async with taking(Lanes(store, caller), consumer, reading.parcel, has_turn):
        yield


class Ear:
    """Hears messages that nobody keeps."""

    def __init__(self, hall: Hall, caller: Calling, trigger: Trigger) -> None:
        self._hall = hall
        self._caller = caller
        self._trigger = trigger

    async def hear(self, message: Msg) -> None:
        """Nobody is answered: an address for answers is not meant for us."""
        try:
            given = (message.headers or {}).get(MESSAGE_ID, "")
            request = started(self._trigger, message.subject, message.data, given)
        except PerdureError as error:
            await self._hall.answer(message.subject, "", refusal(error))
            return

        async def serve() -> Answer:
            return answer_of(await self._caller.handle(request), who=f"trigger {self._trigger.subject!r}", bytes_max=VALUE_BYTES_MAX)

        await self._hall.enter(Guest(message.subject, "", len(message.data), waits=False, serve=serve, decline=refusal))


class Reading:
    """What kept messages ask for."""

    def __init__(self, trigger: Trigger, stamp: str, dead: str) -> None:
        self._trigger = trigger
        self._stamp = stamp
        self._dead = dead

    def parcel(self, delivery: Delivery) -> Parcel:
        origin = f"{self._trigger.stream}/{self._stamp}/{delivery.sequence}"
        given = _id_in(delivery.headers) or f"{self._stamp}-{delivery.sequence}"
        asked: StartRun | PerdureError
        try:
            asked = started(self._trigger, delivery.subject, delivery.data, given)
        except PerdureError as error:
            asked = error
        return Parcel(delivery, asked, given, self._dead, origin)


def started(trigger: Trigger, subject: str, body: bytes, id: str) -> StartRun:
    """The start that a message means."""
    who = f"trigger {trigger.subject!r}, subject {subject!r}"
    try:
        if body.strip():
            msgspec.json.decode(guard(body, who, bytes_max=VALUE_BYTES_MAX))
    except (msgspec.MsgspecError, ValueError) as error:
        raise Invalid("a message that should begin a run is no JSON", who=who, where="body", expected="a JSON value", found=str(error),
                      instead="send JSON to this subject, or let the trigger listen to another") from error
    run = shortened(f"{trigger.called}-{id}", ID_BYTES_MAX) if id else ""
    arguments = Raw(b"[" + body + b"]" if body.strip() else b"[]")
    workflow = trigger.workflow
    return StartRun(workflow=workflow.name, version=workflow.version, arguments=arguments, run=run, tenant=trigger.tenant, within=WITHIN)


def consumer_of(namespace: str, trigger: Trigger) -> str:
    return f"perdure-{namespace}-{escape(trigger.called)}"


def _id_in(headers: Mapping[str, str]) -> str:
    return headers.get(MESSAGE_ID, "")
