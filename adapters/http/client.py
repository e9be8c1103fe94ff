"""The client over HTTP: a runtime's own methods, carried to a service. Whoever its key is for, that is who asks, in their tenant.

A request is asked again under one Idempotency-Key until it is judged or its time is over; waits go on in slices.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import uuid4

import anyio
import httpx
import msgspec

from ...eventlog.blobs import CHUNK_BYTES, Artifact, Blob, Check
from ...eventlog.errors import Invalid, PerdureError, Unavailable
from ...runtime.authoring.values import Shape
from ...runtime.authoring.workflows import Workflow, shapes_of
from ...runtime.calling import Calling
from ...runtime.perform.passing import lasts
from ...runtime.perform.watching import OVER
from ...runtime.requests import Answered, AnyList, AnyPage, AnyReply, AnyRequest, Applied, AwaitRun, LookAtRun, QueryRun, Request
from ...runtime.requests.definitions import AnyDefined, AnyDefining
from .artifacts import ArtifactPage
from .carrying import Sent, asked_for_artifacts, key_asked_for, path_of_artifact, reply_in, sent_of, successor_asked_for
from .keys import NewKey
from .problems import MEDIA, Problem

PATIENCE = 30.0
"""Seconds that a request without a time of its own may take, unless it waits for something that lasts."""

SLICE = 20.0
GRACE = 10.0
"""Seconds that an answer may be late."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0

AS_IT_IS = {"accept-encoding": "identity"}

Reply: TypeAlias = AnyReply | AnyPage | AnyDefined | ArtifactPage | NewKey
_problem: Callable[[bytes], Problem] = msgspec.json.Decoder(Problem).decode


class HttpClient(Calling):
    """Starts and steers runs that a service serves. `workflows` say how results of runs decode that others started."""

    def __init__(self, http: httpx.AsyncClient, workflows: Iterable[Workflow[..., Any]]) -> None:
        self._http = http
        self._shapes = shapes_of(workflows)

    def shape_of(self, workflow: str) -> Shape | None:
        return self._shapes.get(workflow)

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        sent, command = sent_of(request), request.command or str(uuid4())
        end = anyio.current_time() + _seconds(request)
        while True:
            reply = await self._insist(sent, request, command, end)
            if not isinstance(reply, Applied | Answered):
                raise _senseless(sent, reply)
            if not isinstance(request, AwaitRun) or (isinstance(reply, Applied) and reply.status in OVER):
                return reply
            if anyio.current_time() >= end:
                raise Unavailable("the run has not ended yet", who=f"run {request.run!r}", expected=f"an end within {request.within:g} s",
                                  found=f"it is {getattr(reply, 'status', '')}",
                                  instead="wait again: the run goes on, whoever waits for it")

    async def _list(self, request: AnyList) -> AnyPage:
        sent = sent_of(request)
        reply = await self._ask(sent, request, SLICE + getattr(request, "wait", 0.0))
        if isinstance(reply, AnyPage):
            return reply
        raise _senseless(sent, reply)

    async def _define(self, request: AnyDefining) -> AnyDefined:
        sent = sent_of(request)
        reply = await self._ask(sent, request, SLICE)
        if isinstance(reply, AnyDefined):
            return reply
        raise _senseless(sent, reply)

    async def artifacts(self, run: str, *, tenant: str = "default") -> Mapping[str, Artifact]:
        page = await self._ask(asked_for_artifacts(run), LookAtRun(run=run, tenant=tenant), SLICE)
        if isinstance(page, ArtifactPage):
            return {line.name: line.artifact() for line in page.artifacts}
        raise _senseless(asked_for_artifacts(run), page)

    async def make_key(self, user: str, roles: Sequence[str] = (), *, label: str = "", expires_in: float = 0.0) -> NewKey:
        """A key for a user of one's own tenant, made by the service and shown once; `expires_in` seconds, 0 for no end."""
        return await self._made(key_asked_for(user, roles, label, expires_in))

    async def rotate_key(self, id: str, *, overlap: float = 86400.0, expires_in: float = 0.0) -> NewKey:
        """The successor of a key, which stays good for `overlap` seconds."""
        return await self._made(successor_asked_for(id, overlap, expires_in))

    async def _made(self, sent: Sent) -> NewKey:
        made = await self._ask(sent, Request(command=str(uuid4())), SLICE)
        if isinstance(made, NewKey):
            return made
        raise _senseless(sent, made)

    async def artifact(self, run: str, name: str, *, tenant: str = "default") -> AsyncGenerator[bytes]:
        _must_be_ones_own(LookAtRun(run=run, tenant=tenant))
        try:
            async with self._http.stream("GET", path_of_artifact(run, name), headers=AS_IT_IS, timeout=SLICE) as told:
                if told.status_code != HTTPStatus.OK:
                    await told.aread()
                    raise _error_in(told)
                check = Check(f"run {run!r}", _blob_in(told))
                async for chunk in told.aiter_bytes(CHUNK_BYTES):
                    yield check.take(chunk)
                check.end()
        except httpx.HTTPError as error:
            raise _away(str(self._http.base_url), f"{type(error).__name__}: {error}") from error

    async def _ask(self, sent: Sent, request: Request, within: float) -> Reply:
        """The answer to what is the same however often it is asked."""
        _must_be_ones_own(request)
        end = anyio.current_time() + _seconds(request)
        while True:
            try:
                return await self._sent(sent, sent.params, _named(request.command) if request.command else {}, within)
            except Unavailable:
                if anyio.current_time() + FIRST_PAUSE >= end:
                    raise
            await anyio.sleep(FIRST_PAUSE)

    async def _insist(self, sent: Sent, request: AnyRequest, command: str, end: float) -> Reply:
        _must_be_ones_own(request)
        pause = FIRST_PAUSE
        headers = _named(command) if sent.operation.writes else {}
        while True:
            within = max(0.001, min(SLICE, end - anyio.current_time()))
            try:
                return await self._sent(sent, {"within": f"{within:.3f}"}, headers, within)
            except Unavailable:
                if anyio.current_time() + pause >= end:
                    raise
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _sent(self, sent: Sent, params: Mapping[str, str], headers: Mapping[str, str], within: float) -> Reply:
        given = {**headers, "content-type": sent.media} if sent.body else dict(headers)
        method, timeout = sent.operation.method, within + GRACE
        try:
            told = await self._http.request(method, sent.path, params=params, headers=given, content=sent.body, timeout=timeout)
        except httpx.HTTPError as error:
            raise _away(str(self._http.base_url), f"{type(error).__name__}: {error}") from error
        if told.headers.get("content-type", "").startswith(MEDIA):
            raise _error_in(told)
        try:
            return reply_in(sent, told.status_code, told.content)
        except msgspec.MsgspecError as error:
            raise _away(str(self._http.base_url), f"status {told.status_code}, an answer that cannot be read: {error}") from error


def _blob_in(told: httpx.Response) -> Blob:
    """What the content has to be: the service names it by its digest."""
    tag, size = told.headers.get("etag", ""), told.headers.get("content-length", "")
    if not size.isdecimal():
        raise _away(str(told.url), "an answer that does not say how long it is")
    return Blob(tag.strip('"'), int(size))


def _named(command: str) -> dict[str, str]:
    return {"idempotency-key": quote(command, safe="!#$&'()*+,/:;=?@[]~")}


def _error_in(told: httpx.Response) -> PerdureError:
    try:
        return _problem(told.content).error()
    except msgspec.MsgspecError as error:
        return _away(str(told.url.copy_with(query=None)), f"status {told.status_code}, a problem that cannot be read: {error}")


def _must_be_ones_own(request: Request) -> None:
    if request.tenant != "default":
        raise Invalid("a key says whose tenant it is for", who=f"request {request.__struct_config__.tag!r}", where="tenant",
                      expected="no tenant: that of the key", found=repr(request.tenant),
                      instead="leave it out, and connect with a key of that tenant")


def _seconds(request: Request) -> float:
    if request.within is not None:
        return request.within
    endless = isinstance(request, AnyRequest) and lasts(request) and not isinstance(request, QueryRun)
    return float("inf") if endless else PATIENCE


def _away(who: str, found: str) -> Unavailable:
    return Unavailable("the service has not answered", who=who, expected="an answer in time", found=found,
                       instead="see that it runs, then ask again with the same command id: it counts once")


def _senseless(sent: Sent, reply: object) -> Unavailable:
    return _away(sent.operation.name, f"a reply to something else: {type(reply).__name__}")


