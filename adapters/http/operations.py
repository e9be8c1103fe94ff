"""Operations: what the service can be asked, each as one row that routing, policies, the OpenAPI page and tests read.

A call is one request to an operation, parsed and allowed; an answer is what goes back.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Raw, Struct, defstruct
from msgspec.structs import FieldInfo, fields

from ...eventlog.errors import Invalid
from ...eventlog.guard import guard
from ...runtime.authoring.values import explained
from ...runtime.engine import Runtime
from ...runtime.requests import DecideApproval, Request, StartRun
from .auth.crowd import Crowd
from .auth.keyring import Keyring
from .auth.principals import Principal
from .shelf import Shelf

Params: TypeAlias = type[Struct]
Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE", "HEAD"]

JSON = "application/json"

CALL = list[Any] | dict[str, Any]
"""Arguments: an array in the order of the parameters, or an object by their names."""


class Answer(Struct, frozen=True):
    """What goes back: a value that becomes JSON, or a stream of bytes. `status` 0 is the operation's own."""

    value: Any = None
    status: int = 0
    headers: Mapping[str, str] = {}
    stream: AsyncGenerator[bytes] | None = None
    media: str = JSON


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing behind the question mark."""


class Operation(Struct, frozen=True, kw_only=True):
    """One thing that the service can be asked. `name` is for ever: clients are made from it."""

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    """With its parts in braces: `/api/v1/workflows/runs/{run_id}`."""
    summary: str
    perform: Callable[[Call], Awaitable[Answer]]
    of: type[Request] | None = None
    """The request that the call becomes; its fields are the body, but for those that the path or the service says."""
    given: Mapping[str, Any] = {}
    """Fields that the operation itself says."""
    whole: str = ""
    """The field that is the whole body, as it came: any value, or arguments."""
    body: type[Struct] | None = None
    """What the body is, where no request says so."""
    takes: tuple[str, ...] = (JSON,)
    """The media types that a body may be of."""
    params: Params = NoParams
    answers: Mapping[int, Any] = {}
    """What may come back where all is well, by status; None for no content."""
    headers: Mapping[str, str] = {}
    """Headers of a request that count here, and what each says."""
    problems: tuple[int, ...] = ()
    """Statuses of problems that come from here and not from everywhere."""
    media: tuple[str, ...] = (JSON,)
    head: bool = False
    """Whether HEAD is answered too, as GET is, without the content."""
    signed: bool = False
    """Whether `by` of the request is who calls."""
    unnamed: str = ""
    """Of what writes and takes no Idempotency-Key: what to do where nobody knows whether it was done."""

    @property
    def parts(self) -> list[str]:
        """The names in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def status(self) -> int:
        return next(iter(self.answers), 200)

    @property
    def methods(self) -> Sequence[Method]:
        return (self.method, "HEAD") if self.head else (self.method,)

    @property
    def about_run(self) -> bool:
        return "run_id" in self.parts

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def has_body(self) -> bool:
        return bool(self.whole) or self.body_type() is not None

    def body_type(self) -> type[Struct] | None:
        """The object that the body may be; None where it is no object, or there is none."""
        if self.body is not None or self.of is None or self.whole:
            return self.body
        return _body_of(self.of, frozenset({*self.given, *(PARTS.get(part, part) for part in self.parts)}))


PARTS: Mapping[str, str] = {"run_id": "run", "definition_name": "definition"}
"""What a part of a path is called in a request."""

SAID = frozenset({"tenant", "command", "accepted", "within", "by", "roles", "named", "trace"})
"""Fields of requests that headers and keys give, and no body."""

_bodies: dict[tuple[type[Request], frozenset[str]], type[Struct]] = {}


def _body_of(request: type[Request], but: frozenset[str]) -> type[Struct]:
    if (request, but) not in _bodies:
        kept = [_as_given(field) for field in fields(request) if field.name not in SAID | but]
        name = f"{request.__name__}Body"
        _bodies[request, but] = defstruct(name, kept, kw_only=True, frozen=True, forbid_unknown_fields=True)
    return _bodies[request, but]


def _as_given(field: FieldInfo) -> Any:
    if field.required:
        return field.name, field.type
    if isinstance(field.default_factory, type):
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type, field.default


class Call(Struct, frozen=True):
    """A request to an operation, by somebody who may make it."""

    operation: Operation
    runtime: Runtime
    keyring: Keyring | None
    shelf: Shelf
    principal: Principal
    parts: Mapping[str, str]
    params: Any
    body: bytes
    command: str = ""
    trace: str = ""
    every: bool = False
    """Whether every run of the tenant is theirs to see here, or only those that they started."""
    headers: Mapping[str, str] = {}
    within: float | None = None
    crowd: Crowd | None = None
    head: bool = False
    """Whether only the headers are wanted."""
    root: str = ""
    """Where the service is mounted: every path that is told begins by it."""

    @property
    def run(self) -> str:
        return self.parts["run_id"]

    @property
    def tenant(self) -> str:
        return self.principal.tenant

    def given(self) -> Any:
        """The body, as the type that the operation says."""
        kind = self.operation.body_type()
        assert kind is not None
        return decoded(self.body or b"{}", kind)

    def request(self, **more: Any) -> Any:
        """The request of this call, said by who calls, in their tenant."""
        operation, said = self.operation, dict[str, Any]()
        assert operation.of is not None
        for part, text in self.parts.items():
            said[PARTS.get(part, part)] = text
        if operation.whole:
            said |= self._whole(operation.whole)
        elif operation.body_type() is not None:
            body = self.given()
            said |= {field: getattr(body, field) for field in body.__struct_fields__}
        if operation.signed:
            said["by"] = self.principal.user
        if issubclass(operation.of, DecideApproval):
            said |= {"roles": self.principal.roles, "named": not self.every}
        if issubclass(operation.of, StartRun) and self.trace:
            said["trace"] = self.trace
        within = {} if self.within is None else {"within": self.within}
        make = cast("Callable[..., Any]", operation.of)
        return make(**(said | dict(operation.given) | within | more), tenant=self.tenant, command=self.command)

    def _whole(self, field: str) -> dict[str, Raw]:
        if not self.body.strip():
            return {}
        decoded(self.body, CALL if field == "arguments" else Any)
        return {field: Raw(self.body)}


def decoded(body: bytes, kind: Any) -> Any:
    """The body as a value of a type; Invalid, with the path to what does not fit."""
    try:
        return msgspec.json.decode(guard(body, "the body"), type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        expected, found, where = misfit(error, kind) if isinstance(error, msgspec.ValidationError) else ("JSON in UTF-8", str(error), "$")
        raise Invalid("the body does not fit", who="the body", where=where, expected=expected, found=found,
                      instead="send what the OpenAPI page of this service shows") from error


UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")


def misfit(error: msgspec.ValidationError, kind: Any) -> tuple[str, str, str]:
    """(expected, found, where) of a value that is not of the type."""
    expected, found, where = explained(error, kind)
    if (unknown := UNKNOWN.match(str(error))) is not None and where == f"$.{unknown[1]}":
        expected = ", ".join(getattr(kind, "__struct_encode_fields__", ())) or "no fields"
    return expected, found, where
