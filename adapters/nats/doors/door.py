"""The door: requests in NATS, answered by whichever worker of the namespace gets them.

`start.>` and `run.>` are for everybody, in JSON by subject; `request.<kind>` takes a whole Request and gives the Reply as it is,
for clients that know them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, get_args

import anyio
import msgspec
from msgspec.structs import replace
from nats.aio.msg import Msg

from ....actors.shelf import VALUE_BYTES_MAX
from ....eventlog.errors import Invalid, PerdureError
from ....eventlog.guard import guard
from ....runtime.calling import Calling
from ....runtime.perform.passing import lasts
from ....runtime.requests import AnyList, AnyPage, AnyReply, AnyRequest, Applied, Declined, Request
from ....runtime.requests.definitions import AnyDefined, AnyDefining
from ..wire.connection import Connection
from ..wire.messages import checked_namespace
from .answers import STATUS, answer_of, refusal, too_large
from .hall import Answer, Bounds, Guest, Hall, hall
from .subjects import misfit, request_of

Timed = TypeVar("Timed", bound=Request)

QUEUE = "perdure"
DOORS = ("start.>", "run.>", "request.>")
"""Where everybody may knock, behind `perdure.<namespace>.`."""

WITHIN, WITHIN_MAX = 30.0, 300.0
"""Seconds until a request that names no time is answered in any case, and the most that one may name."""

UNSUBSCRIBED_IN = 2.0


@asynccontextmanager
async def door(connection: Connection, caller: Calling, namespace: str, *, bounds: Bounds | None = None) -> AsyncGenerator[None]:
    """Serve the requests of a namespace until the end of the block; then who is in is answered, and nobody else let in."""
    root = f"perdure.{checked_namespace(namespace)}."
    async with hall(connection, bounds or Bounds()) as inside:
        plain, whole = Plain(inside, caller, root), Whole(inside, caller, root)
        subjects = zip(DOORS, (plain.hear, plain.hear, whole.hear), strict=True)
        async with listening(connection, {root + subject: hear for subject, hear in subjects}, queue=QUEUE):
            yield


@asynccontextmanager
async def listening(connection: Connection, hear: dict[str, Callable[[Msg], Awaitable[None]]], *, queue: str = "") -> AsyncGenerator[None]:
    """Subscriptions until the end of the block; what arrived by then is still heard."""
    subscriptions: list[Any] = await connection.listen(hear, queue=queue)  # its annotations are incomplete
    try:
        yield
    finally:
        with anyio.move_on_after(UNSUBSCRIBED_IN, shield=True):
            for subscription in subscriptions:
                if connection.client.is_connected:
                    await subscription.drain()


class Plain:
    """Subjects and JSON for everybody."""

    def __init__(self, hall: Hall, caller: Calling, root: str) -> None:
        self._hall = hall
        self._caller = caller
        self._root = root

    async def hear(self, message: Msg) -> None:
        try:
            address = message.subject.removeprefix(self._root)
            request = timed(request_of(address, message.headers, message.data, bytes_max=VALUE_BYTES_MAX), "header Perdure-Within")
        except PerdureError as error:
            await self._hall.answer(message.subject, message.reply, refusal(error))
            return

        async def serve() -> Answer:
            reply = await self._caller.handle(request)
            return answer_of(reply, who=f"subject {address!r}", bytes_max=room(self._hall.connection))

        await self._hall.enter(Guest(message.subject, message.reply, len(message.data), lasts(request), serve, refusal))


class Whole:
    """Whole requests and replies, for clients that know them."""

    def __init__(self, hall: Hall, caller: Calling, root: str) -> None:
        self._hall = hall
        self._caller = caller
        self._root = root + "request."

    async def hear(self, message: Msg) -> None:
        try:
            request = timed(whole_request(message.subject.removeprefix(self._root), message.data), "$.within")
        except PerdureError as error:
            await self._hall.answer(message.subject, message.reply, declined(error))
            return

        async def serve() -> Answer:
            return whole_answer(await self._caller.handle(request), room(self._hall.connection))

        await self._hall.enter(Guest(message.subject, message.reply, len(message.data), lasts(request), serve, declined))


_request: Callable[[bytes], AnyRequest | AnyList | AnyDefining] = msgspec.json.Decoder(AnyRequest | AnyList | AnyDefining).decode
_encode = msgspec.json.Encoder().encode

KINDS: tuple[str, ...] = tuple(sorted(str(kind.__struct_config__.tag) for kind in get_args(AnyRequest | AnyList | AnyDefining)))
"""What requests are called, in their bodies and in the subjects that they are sent to."""


def whole_request(kind: str, body: bytes) -> AnyRequest | AnyList | AnyDefining:
    """The request that a body holds; its subject must say the same kind, for permissions are given by subject."""
    who = f"subject 'request.{kind}'"
    try:
        msgspec.json.decode(guard(body, who, bytes_max=VALUE_BYTES_MAX))  # values inside are taken as they are: look at them all
        request = _request(body)
    except (msgspec.MsgspecError, ValueError) as error:
        if kind not in KINDS:
            raise Invalid("there is no such kind of request", who=who, where="subject", expected=", ".join(KINDS), found=kind,
                          instead="send to the subject of one of those") from error
        expected, found, where = misfit(error)
        raise Invalid("the body is no request", who=who, where=where, expected=expected, found=found,
                      instead="send a Request as JSON, as its schema in docs/nats_subjects.md says") from error
    if request.__struct_config__.tag != kind:
        raise Invalid("subject and body ask for different things", who=who, where="$.request", expected=kind,
                      found=str(request.__struct_config__.tag), instead="send each kind of request to the subject of its kind")
    return request


def whole_answer(reply: AnyReply | AnyPage | AnyDefined, bytes_max: int) -> Answer:
    body = _encode(reply)
    if len(body) > bytes_max:
        return declined(too_large(len(body), bytes_max))
    return {STATUS: status_of(reply)}, body


def declined(error: PerdureError) -> Answer:
    reply = Declined.of(error)
    return {STATUS: status_of(reply)}, _encode(reply)


def status_of(reply: AnyReply | AnyPage | AnyDefined) -> str:
    match reply:
        case Applied():
            return "applied"
        case Declined(retryable=retryable):
            return "unavailable" if retryable else "refused"
        case _:
            return "answered"


def timed(request: Timed, where: str) -> Timed:
    """The request with a bound to its time; one that asks for more than there is is Invalid."""
    if request.within is None:
        return replace(request, within=WITHIN)
    if not (0 < request.within <= WITHIN_MAX and math.isfinite(request.within)):
        raise Invalid("the time of a request makes no sense", who=f"request {request.__struct_config__.tag!r}", where=where,
                      expected=f"more than 0 and at most {WITHIN_MAX:g} seconds", found=f"{request.within:g}",
                      instead="leave it out, or ask again when the time is over: what you wait for goes on")
    return request


def room(connection: Connection) -> int:
    """Bytes of an answer's body: what the server carries, less what headers may take."""
    return connection.client.max_payload - 1024
