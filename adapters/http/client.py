"""The client over HTTP: a runtime's own methods, carried to a service. Whoever its key is for, that is who asks, in their tenant.

A request is asked again under one Idempotency-Key until it is judged or its time is over; waits go on in slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import anyio
import httpx
import msgspec
from msgspec.structs import fields

from ...eventlog.errors import Invalid, PerdureError, Unavailable
from ...eventlog.search import Condition
from ...runtime.authoring.values import Shape
from ...runtime.authoring.workflows import Workflow
from ...runtime.calling import Calling
from ...runtime.perform.passing import lasts
from ...runtime.perform.watching import OVER
from ...runtime.requests import (
    Answered,
    AnyList,
    AnyPage,
    AnyReply,
    AnyRequest,
    Applied,
    AwaitRun,
    Declined,
    ListApprovals,
    ListRuns,
    QueryRun,
    ReadEvents,
    Request,
)
from . import runs
from .operations import PARTS, Operation
from .problems import MEDIA, Problem

PATIENCE = 30.0
"""Seconds that a request without a time of its own may take, unless it waits for something that lasts."""

SLICE = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
EVENTS_MAX = runs.EVENTS_MAX

_reply: Callable[[bytes], AnyReply | AnyPage] = msgspec.json.Decoder(AnyReply | AnyPage).decode
_problem: Callable[[bytes], Problem] = msgspec.json.Decoder(Problem).decode


class HttpClient(Calling):
    """Starts and steers runs that a service serves. `workflows` say how results of runs decode that others started."""

    def __init__(self, http: httpx.AsyncClient, workflows: Iterable[Workflow[..., Any]]) -> None:
        self._http = http
        self._shapes = {workflow.name: workflow.returns for workflow in workflows}

    def shape_of(self, workflow: str) -> Shape | None:
        return self._shapes.get(workflow)

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        operation, command = operation_for(request), request.command or str(uuid4())
        end = anyio.current_time() + _seconds(request)
        while True:
            reply = await self._insist(operation, request, command, end)
            if not isinstance(reply, Applied | Answered):
                raise _senseless(operation, type(reply).__name__)
            if not isinstance(request, AwaitRun) or (isinstance(reply, Applied) and reply.status in OVER):
                return reply
            if anyio.current_time() >= end:
                raise Unavailable("the run has not ended yet", who=f"run {request.run!r}", expected=f"an end within {request.within:g} s",
                                  found=f"it is {getattr(reply, 'status', '')}",
                                  instead="wait again: the run goes on, whoever waits for it")

    async def _list(self, request: AnyList) -> AnyPage:
        operation, params = listing(request)
        path = _path(operation, {"run_id": request.run}) if isinstance(request, ReadEvents) else operation.path
        _must_be_ones_own(request)
        end = anyio.current_time() + _seconds(request)
        while True:
            try:
                reply = await self._sent("GET", path, params, {}, b"", SLICE + getattr(request, "wait", 0.0))
            except Unavailable:
                if anyio.current_time() + FIRST_PAUSE >= end:
                    raise
                await anyio.sleep(FIRST_PAUSE)
                continue
            if isinstance(reply, Applied | Answered | Declined):
                raise _senseless(operation, type(reply).__name__)
            return reply

    async def _insist(self, operation: Operation, request: AnyRequest, command: str, end: float) -> AnyReply | AnyPage:
        _must_be_ones_own(request)
        pause = FIRST_PAUSE
        path, body = _path(operation, _parts(operation, request)), _body(operation, request)
        headers = {"idempotency-key": quote(command, safe="!#$&'()*+,/:;=?@[]~")} if operation.method != "GET" else {}
        while True:
            within = max(0.001, min(SLICE, end - anyio.current_time()))
            try:
                return await self._sent(operation.method, path, {"within": f"{within:.3f}"}, headers, body, within)
            except Unavailable:
                if anyio.current_time() + pause >= end:
                    raise
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _sent(  # noqa: PLR0917 - what a request is made of
        self, method: str, path: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes, within: float
    ) -> AnyReply | AnyPage:
        given = {**headers, "content-type": "application/json"} if body else dict(headers)
        try:
            told = await self._http.request(method, path, params=params, headers=given, content=body, timeout=within + 10.0)
        except httpx.HTTPError as error:
            raise _away(str(self._http.base_url), f"{type(error).__name__}: {error}") from error
        if told.headers.get("content-type", "").startswith(MEDIA):
            raise _error_in(told)
        try:
            return _reply(told.content)
        except msgspec.MsgspecError as error:
            raise _away(str(self._http.base_url), f"status {told.status_code}, an answer that cannot be read: {error}") from error


def _error_in(told: httpx.Response) -> PerdureError:
    try:
        return _problem(told.content).error()
    except msgspec.MsgspecError as error:
        return _away(str(told.url.copy_with(query=None)), f"status {told.status_code}, a problem that cannot be read: {error}")


def operation_for(request: Request) -> Operation:
    """The operation that carries a request."""
    for operation in runs.OPERATIONS:
        if operation.of is type(request) and all(getattr(request, name) == value for name, value in operation.given.items()):
            return operation
    raise Invalid("the service does not take this", who=f"request {request.__struct_config__.tag!r}",
                  expected="what its OpenAPI page shows",
                  found=str(request.__struct_config__.tag), instead="do it where the log is, or over NATS")


def listing(request: AnyList) -> tuple[Operation, dict[str, str]]:
    """(the operation, what stands behind the question mark) of a request for a page."""
    given: dict[str, Any]
    match request:
        case ListRuns():
            name, given = "runs.list", {"status": request.status, "workflow": request.workflow, "where": text_of(request.where),
                                        "dead": "true" if request.dead else "", "after": request.after, "limit": request.limit}
        case ListApprovals():
            name, given = "approvals.list", {"after": request.after, "limit": request.limit}
        case ReadEvents():
            name, given = "runs.events", {"since": request.since, "types": ",".join(request.types), "limit": min(request.limit, EVENTS_MAX),
                                          "wait": request.wait}
        case _:
            return operation_for(request), {}
    operation = next(one for one in runs.OPERATIONS if one.name == name)
    return operation, {name: str(value) for name, value in given.items() if value not in (None, "")}


def text_of(where: Iterable[Condition]) -> str:
    """Conditions as people write them."""
    return " and ".join(f"{one.name} {one.op} {_value(one.value)}" for one in where)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _parts(operation: Operation, request: Request) -> dict[str, str]:
    return {part: getattr(request, PARTS.get(part, part)) for part in operation.parts}


def _path(operation: Operation, parts: Mapping[str, str]) -> str:
    path = operation.path
    for part, text in parts.items():
        path = path.replace(f"{{{part}}}", quote(text, safe=""))
    return path


def _body(operation: Operation, request: Request) -> bytes:
    if operation.whole:
        return bytes(getattr(request, operation.whole))
    kind = operation.body_type()
    if kind is None or operation.method == "GET":
        return b""
    defaults = {field.name: field for field in fields(type(request))}
    said = {name: getattr(request, name) for name in kind.__struct_fields__}
    kept = {name: value for name, value in said.items() if defaults[name].required or bytes_of(value) != bytes_of(defaults[name].default)}
    return msgspec.json.encode(kept)


def bytes_of(value: Any) -> bytes:
    return b"" if value is msgspec.NODEFAULT else msgspec.json.encode(value)


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


def _senseless(operation: Operation, found: str) -> Unavailable:
    return _away(operation.name, f"a reply to something else: {found}")


