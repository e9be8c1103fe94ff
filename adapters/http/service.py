"""The service: the path of every request, from its headers to its answer. There is no other way to an operation.

Who asks is known before anything is read of what they ask; what they may is known before their body is; and of a run that is not
theirs they hear what they would hear of one that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

import anyio
import msgspec
from litestar import Request as HttpRequest
from litestar.exceptions import InternalServerException

from ...eventlog.errors import Invalid, NotFound, Refused, Unavailable
from ...runtime.authoring.words import moment
from ...runtime.engine import Runtime
from ...runtime.requests import Applied, LookAtRun, Request
from ...runtime.translating import TRACE
from .auth.crowd import Crowd
from .auth.keyring import Keyring
from .auth.principals import Gates, Principal, Unauthenticated, Visitor, denied
from .entrance import ROOT
from .operations import Answer, Call, NoParams, Operation, misfit
from .policies import POLICIES, Policy
from .shelf import Shelf

PATIENCE, WAIT = 10.0, 25.0
"""Seconds that a command, and a wait for something that lasts, may take where the request does not say."""

WITHIN_MAX = 60.0
BODY_SECONDS = 30.0

ECHO_MAX = 200
"""Characters of a query that are told again to who sent it."""

KEY_OF_COMMAND = re.compile(r"[\x21-\x7e]{1,200}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)

CREDENTIALS = ("x-api-key", "authorization")
ONCE = (*CREDENTIALS, "host", "origin", "sec-fetch-site", "idempotency-key", "content-type", "traceparent", "last-event-id", "range")
"""Headers that count only where they come once: two of them are nobody's wish."""

NOBODY = Principal("", "", frozenset(), "nobody")

AnyHttpRequest = HttpRequest[Any, Any, Any]


class Service:
    """A runtime, and those who may call it."""

    def __init__(self, runtime: Runtime, gates: Gates, keyring: Keyring | None, crowd: Crowd, shelf: Shelf) -> None:
        self.runtime = runtime
        self.gates = gates
        self.keyring = keyring
        self.crowd = crowd
        self.shelf = shelf
        self.under_way = 0

    async def answer(self, operation: Operation, request: AnyHttpRequest, parts: Mapping[str, str]) -> Answer:
        """What the operation says to a request; raises the PerdureError that it is declined with."""
        policy, scope = POLICIES[operation.name], cast("dict[str, Any]", request.scope)
        headers = headers_of(request, public=policy.public)
        principal = NOBODY if policy.public else await self.admitted(request, headers)
        command = _command(operation, headers, principal)
        every = policy.public or await self._may(principal, policy, operation, parts, command)
        params = params_of(operation, request.scope["query_string"].decode("latin-1"))
        body = await _body(request)
        if body:
            _must_be_taken(operation, headers)
        call = Call(
            operation, self.runtime, self.keyring, self.shelf, principal, parts, params, body, command, _trace(headers), every, headers,
            _within(operation, params), self.crowd, request.method == "HEAD",
            scope.get(ROOT, ""),
        )  # fmt: skip
        return await operation.perform(call)

    async def admitted(self, request: AnyHttpRequest, headers: Mapping[str, str]) -> Principal:
        key, authorization = headers.get("x-api-key", ""), headers.get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        if authorization and (key or scheme.lower() != "bearer" or not token.strip()):
            raise Unauthenticated.at_all()
        scope: Any = request.scope
        client: tuple[str, int] | None = scope.get("client")
        address = client[0] if client else ""
        host, origin, site = (headers.get(name, "") for name in ("host", "origin", "sec-fetch-site"))
        return await self.gates.admit(Visitor(key, token.strip(), host, origin, site, scope["scheme"], address))

    async def _may(self, principal: Principal, policy: Policy, operation: Operation, parts: Mapping[str, str], command: str) -> bool:
        """Whether they may call this for every run, or else for their own; Denied or NotFound where not for this one."""
        if policy.besides and policy.besides not in principal.permissions:
            raise denied(principal, policy.besides)
        if {policy.permission, policy.instead} & principal.permissions:
            return True
        if policy.named and await self._is_named(principal, parts["run_id"], command):
            return False
        if policy.own is None or (policy.own and policy.own not in principal.permissions):
            raise denied(principal, policy.permission)
        if operation.about_run:
            run = parts["run_id"]
            look = await self._look(principal, run)
            if look is None or look.by != principal.user:
                raise absent(run)
        return False

    async def _is_named(self, principal: Principal, run: str, command: str) -> bool:
        """Whether the run asks something that names them, or a role of theirs; or they repeat a decision that it took from them."""
        look, now = await self._look(principal, run), moment(self.runtime.clock.now())
        if look is not None and any(one.names(principal.user, principal.roles, now) for one in look.approvals):
            return True
        return look is not None and bool(command) and await self._look(principal, run, accepted=command) is not None

    async def _look(self, principal: Principal, run: str, *, accepted: str = "") -> Applied | None:
        """How the run stands; None where there is none, or it has not accepted this command."""
        try:
            return await self.runtime.do(LookAtRun(tenant=principal.tenant, run=run, accepted=accepted, within=PATIENCE))
        except (NotFound, Invalid, Refused):
            return None


class TooSlow(Unavailable):
    """The body did not come in time, or whole."""

    code, http_status = "too_slow", 408


async def _body(request: AnyHttpRequest) -> bytes:
    """All of it; the application bounds its bytes, and this its time."""
    found = "less"
    with anyio.move_on_after(BODY_SECONDS):
        try:
            return await request.body()
        except InternalServerException:  # so the framework says that the other end went away: no fault of ours
            found = "the end of the connection"
    raise TooSlow("the body of the request did not come in time", who="the request", where="the body",
                  expected=f"all of it in {BODY_SECONDS:g} s",
                  found=found, instead="send it again, faster, or send less")


def absent(run: str) -> NotFound:
    """The same of a run that does not exist, of one of another tenant, and of one that is somebody else's."""
    return NotFound("there is no such run", who=f"run {run!r}", where="run_id", expected="the id of a run that you may see",
                    found="no such run",
                    instead="list the runs that you may see")


def headers_of(request: AnyHttpRequest, *, public: bool = False) -> Mapping[str, str]:
    """The headers by their names in small letters; Invalid where one that counts comes twice. Where all are let in, no key counts."""
    found: dict[str, str] = {}
    for raw, value in request.scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in CREDENTIALS and public:
            continue
        if name in found and name in ONCE:
            if name in CREDENTIALS:
                raise Unauthenticated.at_all()
            raise Invalid("a header comes twice", who=f"header {name}", where=f"header {name}", expected="once at most",
                          found="twice or more",
                          instead="send one of them")
        found[name] = value.decode("latin-1")
    return found


def params_of(operation: Operation, query: str) -> Any:
    """What stands behind the question mark, as the operation's own type."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=32, errors="strict")
    except ValueError as error:
        raise _bad_query("$", "names and values, as in limit=200&since=3", str(error)) from error
    given: dict[str, str] = {}
    for name, text in pairs:
        if name in given:
            raise _bad_query(name, "each name once", f"{name} twice")
        if text or operation.params is NoParams:
            given[name] = text
    try:
        return msgspec.convert(given, operation.params, strict=False)
    except msgspec.ValidationError as error:
        expected, found, where = misfit(error, operation.params)
        raise _bad_query(where.removeprefix("$."), expected, found) from error


def _bad_query(where: str, expected: str, found: str) -> Invalid:
    return Invalid("what stands behind the question mark does not fit", who="the query", where=where[:ECHO_MAX], expected=expected,
                   found=found[:ECHO_MAX], instead="send what the OpenAPI page of this service shows")


def _must_be_taken(operation: Operation, headers: Mapping[str, str]) -> None:
    """A page of another origin can send some media types without asking: none of those is taken."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in operation.takes:
        raise Invalid("the body is of another media type", who="the body", where="header content-type",
                      expected=" or ".join(operation.takes),
                      found=kind[:80] or "none", instead=f"send it as that, and say so: content-type: {operation.takes[0]}")


def _command(operation: Operation, headers: Mapping[str, str], principal: Principal) -> str:
    """The command id that an Idempotency-Key is: nobody meets another's by choosing the same. Invalid where it would promise too much."""
    key = headers.get("idempotency-key", "")
    if not key:
        return ""
    if operation.unnamed:
        raise Invalid("this takes no Idempotency-Key: it would count as often as it is sent", who=operation.name, found=key[:80],
                      where="header idempotency-key", expected="no such header",
                      instead=f"leave it out; where nobody knows whether it was done, {operation.unnamed}")
    if not KEY_OF_COMMAND.fullmatch(key):
        raise Invalid("an Idempotency-Key does not fit", who="the request", where="header idempotency-key",
                      expected="1 to 200 visible characters",
                      found=f"{len(key)} characters", instead="send for example a UUID")
    return key if UUID.fullmatch(key) else f"{principal.user}:{key}"


def _trace(headers: Mapping[str, str]) -> str:
    trace = headers.get("traceparent", "")
    return trace if TRACE.fullmatch(trace) else ""


def _within(operation: Operation, params: Any) -> float | None:
    given: float | None = getattr(params, "within", None)
    if given is None:
        return WAIT if operation.of is not None and _may_last(operation.of) else PATIENCE
    if not 0 < given <= WITHIN_MAX:
        raise Invalid("the time of a request makes no sense", who="within", where="within",
                      expected=f"more than 0 and at most {WITHIN_MAX:g} seconds",
                      found=f"{given:g}", instead="leave it out, or ask again when the time is over: what you wait for goes on")
    return given


def _may_last(of: type[Request]) -> bool:
    return of.__struct_config__.tag in LASTING


LASTING: Sequence[str] = ("await", "update", "query", "pause")

