"""How a request of a runtime is sent to a service: by which method, to which path, with what behind the question mark and in the body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from ...eventlog.errors import Invalid
from ...eventlog.search import Condition
from ...runtime.defining import (
    AnyDefining,
    ApplyDefinition,
    ArchiveDefinition,
    CheckDefinition,
    ListDefinitions,
    ListStepTypes,
    ShowDefinition,
)
from ...runtime.requests import AnyList, AnyRequest, ListApprovals, ListRuns, ReadEvents, Request, StartDefinition
from . import definition_runs, definitions, runs
from .operations import JSON, PARTS, Operation

BY_NAME: Mapping[str, Operation] = {
    operation.name: operation for operation in (*runs.OPERATIONS, *definitions.OPERATIONS, *definition_runs.OPERATIONS)
}


class Sent(Struct, frozen=True):
    """A request as it goes over the wire."""

    operation: Operation
    path: str
    params: Mapping[str, str] = {}
    body: bytes = b""
    media: str = JSON


def sent_of(request: AnyRequest | AnyList | AnyDefining) -> Sent:
    """The request as it is sent; Invalid where the service does not take it."""
    match request:
        case StartDefinition():
            return _start_of_definition(request)
        case ListRuns():
            where = text_of(request.where)
            return _asked("runs.list", status=request.status, workflow=request.workflow, where=where, dead="true" if request.dead else "",
                          after=request.after, limit=request.limit)
        case ListApprovals():
            return _asked("approvals.list", mine="true" if request.by else "", after=request.after, limit=request.limit)
        case ReadEvents():
            limit = min(request.limit, runs.EVENTS_MAX)
            return _asked("runs.events", {"run_id": request.run}, since=request.since, types=",".join(request.types), limit=limit,
                          wait=request.wait)
        case ApplyDefinition():
            return _with_text("definitions.create", request.text, expected=request.expected)
        case ArchiveDefinition():
            return _asked("definitions.archive", {"definition_name": request.name}, expected=request.expected, why=request.why)
        case ShowDefinition():
            return _asked("definitions.show", {"definition_name": request.name}, version=request.version)
        case ListDefinitions():
            return _asked("definitions.list", archived="true" if request.archived else "", after=request.after, limit=request.limit)
        case CheckDefinition():
            return _with_text("definitions.validate", request.text)
        case ListStepTypes():
            return _asked("step_types")
        case _:
            operation = operation_for(request)
            return Sent(operation, path_of(operation, _parts(operation, request)), body=_body(operation, request))


def operation_for(request: Request) -> Operation:
    """The operation that carries a request as its fields are."""
    for operation in runs.OPERATIONS:
        if operation.of is type(request) and all(getattr(request, name) == value for name, value in operation.given.items()):
            return operation
    raise Invalid("the service does not take this", who=f"request {request.__struct_config__.tag!r}",
                  expected="what its OpenAPI page shows",
                  found=str(request.__struct_config__.tag), instead="do it where the log is, or over NATS")


def path_of(operation: Operation, parts: Mapping[str, str]) -> str:
    path = operation.path
    for part, text in parts.items():
        path = path.replace(f"{{{part}}}", quote(text, safe=""))
    return path


def text_of(where: Iterable[Condition]) -> str:
    """Conditions as people write them."""
    return " and ".join(f"{one.name} {one.op} {_value(one.value)}" for one in where)


def _asked(name: str, parts: Mapping[str, str] | None = None, /, **given: Any) -> Sent:
    """A request without a body."""
    operation = BY_NAME[name]
    return Sent(operation, path_of(operation, parts or {}), {name: str(value) for name, value in given.items() if value not in (None, "")})


def _with_text(name: str, text: str, **given: Any) -> Sent:
    asked = _asked(name, **given)
    media = JSON if text.lstrip().startswith("{") else definitions.YAML[0]
    return Sent(asked.operation, asked.path, asked.params, text.encode(), media)


def _start_of_definition(request: StartDefinition) -> Sent:
    given = {name: getattr(request, name) for name in definition_runs.RunBody.__struct_fields__ if name not in ("inputs", "version")}
    inputs = Raw(request.inputs)
    if request.definition:
        operation, body = BY_NAME["definitions.run"], {"inputs": inputs, "version": request.number, **given}
    else:
        operation, body = BY_NAME["definitions.run_adhoc"], {"inputs": inputs, "definition": request.text, **given}
    return Sent(operation, path_of(operation, {"definition_name": request.definition}), body=msgspec.json.encode(body))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _parts(operation: Operation, request: Request) -> dict[str, str]:
    return {part: getattr(request, PARTS.get(part, part)) for part in operation.parts}


def _body(operation: Operation, request: Request) -> bytes:
    if operation.whole:
        return bytes(getattr(request, operation.whole))
    kind = operation.body_type()
    if kind is None or operation.method == "GET":
        return b""
    defaults = {field.name: field for field in fields(type(request))}
    said = {name: getattr(request, name) for name in kind.__struct_fields__}
    kept = {name: value for name, value in said.items() if defaults[name].required or _bytes(value) != _bytes(defaults[name].default)}
    return msgspec.json.encode(kept)


def _bytes(value: Any) -> bytes:
    return b"" if value is msgspec.NODEFAULT else msgspec.json.encode(value)
