"""The client: a runtime's own methods, carried to whichever worker of the namespace serves them. It owns nothing.

A request is asked again under one command id until somebody has judged it or its time is over, so workers may come and go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from nats.errors import MaxPayloadError

from ...eventlog.blobs import Blobs
from ...eventlog.errors import PerdureError, TooLarge, Unavailable
from ...eventlog.log import Records
from ...runtime.artifacts import StoredArtifacts
from ...runtime.authoring.values import Shape
from ...runtime.authoring.workflows import Workflow, shapes_of
from ...runtime.calling import Calling
from ...runtime.perform.passing import lasts
from ...runtime.requests import (
    Answered,
    AnyList,
    AnyPage,
    AnyReply,
    AnyRequest,
    Applied,
    AwaitRun,
    Declined,
    LookAtRun,
    QueryRun,
    Request,
    StartRun,
)
from ...runtime.requests.definitions import AnyDefined, AnyDefining
from ...runtime.translating import named_by_command
from .inspecting import found_log
from .records.blobs import JetStreamBlobs
from .records.log import JetStreamLog
from .url import Place
from .wire import api
from .wire.buckets import PARTITIONS
from .wire.connection import Connection, NoAnswer
from .wire.messages import Subjects
from .wire.store import Store

PATIENCE = 30.0
"""Seconds that a request without a time of its own may take, unless it waits for something that lasts."""

COMMAND_SLICE, WAIT_SLICE = 2.0, 10.0
"""Seconds after which an answer that has not come is asked for again."""

GRACE = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0

_encode = msgspec.json.Encoder().encode
_reply: Callable[[bytes], AnyReply | AnyPage | AnyDefined] = msgspec.json.Decoder(AnyReply | AnyPage | AnyDefined).decode


class Stored(NamedTuple):
    """What lies in the namespace, to be read beside the workers."""

    blobs: Blobs
    log: Records


class Client(StoredArtifacts, Calling):
    """Starts and steers runs that workers serve. `workflows` say how results of runs decode that others started.

    Artifacts are asked of nobody: they are read where they lie, which takes the permission to read the log and the blobs.
    """

    def __init__(
        self, connection: Connection, place: Place, name: str, run_id: Callable[[int], str], workflows: Iterable[Workflow[..., Any]], *,
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._place = place
        self._stored: Stored | None = None
        self._root = f"perdure.{place.namespace}.request."
        self._name = name
        self._run_id = run_id
        self._shapes = shapes_of(workflows)
        self._now = now
        """Microseconds since 1970."""
        self._last_command = 0

    def shape_of(self, workflow: str) -> Shape | None:
        return self._shapes.get(workflow)

    async def storage(self) -> Stored:
        if self._stored is None:
            store = Store(self._connection, Subjects(self._place.namespace, PARTITIONS))
            await found_log(store, self._place)
            self._stored = Stored(JetStreamBlobs(store), JetStreamLog(store))
        return self._stored

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        reply = await self._insist(self._named(request))
        if isinstance(reply, Applied | Answered):
            return reply
        raise nobody(self._root, f"a reply to something else: {type(reply).__name__}")

    async def _list(self, request: AnyList) -> AnyPage:
        reply = await self._insist(request)
        if isinstance(reply, AnyPage):
            return reply
        raise nobody(self._root, f"a reply to something else: {type(reply).__name__}")

    async def _define(self, request: AnyDefining) -> AnyDefined:
        reply = await self._insist(request)
        if isinstance(reply, AnyDefined):
            return reply
        raise nobody(self._root, f"a reply to something else: {type(reply).__name__}")

    async def _insist(self, request: AnyRequest | AnyList | AnyDefining) -> Applied | Answered | AnyPage | AnyDefined:
        """The reply, asked for until it comes or the time of the request is over."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._seconds(request)
        pause = FIRST_PAUSE
        while True:
            began = clock()
            try:
                return await self._asked(request, min(WAIT_SLICE if lasts(request) else COMMAND_SLICE, max(0.001, end - clock())))
            except Unavailable:
                if clock() + pause >= end:
                    raise
                if clock() - began > LONGEST_PAUSE:
                    pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _named(self, request: AnyRequest) -> AnyRequest:
        """With ids of its own, so that it counts once however often it is asked."""
        request = named_by_command(request) if isinstance(request, StartRun) else request
        if isinstance(request, StartRun) and not request.run:
            request = replace(request, run=self._run_id(self._now()))
        if request.command or isinstance(request, QueryRun | LookAtRun | AwaitRun):
            return request
        self._last_command = max(self._last_command + 1, self._now())  # a number that says when: so it can grow old
        return replace(request, command=f"{self._name}/{self._last_command}")

    def _seconds(self, request: Request) -> float:
        if request.within is not None:
            return request.within
        return float("inf") if lasts(request) and not isinstance(request, QueryRun) else PATIENCE

    async def _asked(
        self, request: AnyRequest | AnyList | AnyDefining, within: float
    ) -> Applied | Answered | AnyPage | AnyDefined:
        subject = f"{self._root}{request.__struct_config__.tag}"
        body = _encode(replace(request, within=within))
        try:
            message = await self._connection.ask(subject, body, within=within + GRACE)
            if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
                raise nobody(subject, "no worker listens")
            reply = _reply(message.data)
        except NoAnswer as error:
            raise nobody(subject, str(error)) from error
        except MaxPayloadError as error:
            raise self._too_large(subject, len(body)) from error
        except msgspec.MsgspecError as error:
            raise nobody(subject, f"an answer that cannot be read: {error}") from error
        if isinstance(reply, Declined):
            raise reply.error()
        return reply

    def _too_large(self, subject: str, size: int) -> PerdureError:
        return TooLarge("the request is larger than this NATS server carries", who=f"subject {subject}",
                        expected=f"at most {self._connection.client.max_payload} bytes", found=f"{size} bytes",
                        instead="raise max_payload of nats-server, or pass the address of what is large")


def nobody(subject: str, found: str) -> Unavailable:
    return Unavailable("no worker has answered", who=f"subject {subject}", expected="an answer in time", found=found,
                       instead="see that a worker serves this namespace, then ask again with the same command id: it counts once")
