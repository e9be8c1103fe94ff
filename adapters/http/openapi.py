"""The OpenAPI 3.1 page, made from the operations and from the very types that bodies are read with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from ...runtime.definitions.model import Definition
from ...runtime.plain_types import plain_type
from .operations import JSON, Answer, Call, NoParams, Operation
from .policies import POLICIES
from .problems import MEDIA, Problem

TEMPLATE = "#/components/schemas/{name}"
PROBLEMS = {
    401: "Nobody knows who asks", 403: "Who asks may not", 404: "No such run, workflow, key or path", 409: "It cannot be so now",
    413: "Too large", 422: "It does not fit", 429: "Too many requests at once", 431: "The headers are too long",
    503: "It cannot be told now: ask again",
}  # fmt: skip
OF_BODIES = {408: "The body did not come in time"}
OF_SOME = {410: "It is kept no longer", 412: "It is not any more what If-Match or If-None-Match say", 416: "No such part of it"}
OF_PUBLIC = (422, 431, 503)

WHOLE: dict[str, dict[str, Any]] = {
    "value": {"description": "Any JSON value; nothing for null."},
    "arguments": {
        "description": "Arguments: an array in the order of the parameters, or an object by their names; nothing for none.",
        "type": ["array", "object"],
    },
    "definition": {"$ref": TEMPLATE.format(name=Definition.__name__)},
}


def page_of(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole page, as JSON values."""
    schemas, parts = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "perdure", "version": version("perdure"), "description": "Durable workflows: started, steered and followed."},
        "paths": paths,
        "components": {
            "schemas": parts,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"token": []}],
    }


def text(operations: Sequence[Operation]) -> str:
    """The page as it is kept in docs/openapi.json."""
    return msgspec.json.format(msgspec.json.encode(page_of(operations)), indent=1).decode() + "\n"


def serving(operations: Sequence[Operation]) -> Operation:
    """The operation that gives the page, itself on it."""
    kept: list[dict[str, Any]] = []

    async def show(call: Call) -> Answer:
        if not kept:
            kept.append({name: Raw(msgspec.json.encode(part)) for name, part in page_of((*operations, itself)).items()})
        return Answer(kept[0] | ({"servers": [{"url": call.root}]} if call.root else {}))

    itself = Operation(name="openapi", method="GET", path="/api/v1/openapi.json", perform=show, answers={200: dict[str, Any]},
                       summary="This page")
    return itself


def _schemas(operations: Sequence[Operation]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """(the schema of each type, the parts that they refer to)."""
    types: dict[Any, Any] = {Problem: Problem, Definition: Definition}
    for operation in operations:
        body = operation.body_type()
        for kind in (*operation.answers.values(), *((body,) if body is not None else ())):
            if kind is not None and kind not in types:
                types[kind] = plain_type(kind) if isinstance(kind, type) and issubclass(kind, Struct) else kind
    shown, parts = msgspec.json.schema_components(list(types.values()), ref_template=TEMPLATE)
    return dict(zip(types, shown, strict=True)), parts


def _operation(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    policy = POLICIES[operation.name]
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*map(_part, operation.parts), *_params(operation), *_headers(operation)],
        "responses": {str(status): _answered(operation, kind, schemas) for status, kind in operation.answers.items()},
    }
    problem = {"description": "", "content": {MEDIA: {"schema": schemas[Problem]}}}
    about_all = PROBLEMS | (OF_BODIES if operation.has_body else {}) | {status: OF_SOME[status] for status in operation.problems}
    if operation.writes:
        again = operation.unnamed or "ask again with the same Idempotency-Key"
        about_all |= {503: f"Nobody knows whether it was done: {again}"}
    for status, about in about_all.items():
        if str(status) not in told["responses"] and (not policy.public or status in OF_PUBLIC):
            told["responses"][str(status)] = problem | {"description": about}
    if policy.public:
        told["security"] = []
    else:
        told["x-permission"] = policy.permission
        if policy.own is not None:
            told["x-permission-for-own"] = policy.own
        if policy.instead:
            told["x-permission-instead"] = policy.instead
        if policy.besides:
            told["x-permission-besides"] = policy.besides
    if operation.has_body:
        told["requestBody"] = _body(operation, schemas)
    return told


def _body(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    body = operation.body_type()
    schema = WHOLE[operation.whole] if operation.whole else schemas[body]
    required = operation.whole == "definition" or (body is not None and any(field.required for field in fields(body)))
    return {"required": required, "content": {media: {"schema": schema} for media in operation.takes}}


def _answered(operation: Operation, kind: Any, schemas: dict[Any, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": operation.summary}
    if kind is bytes:
        told["content"] = {media: {"schema": {"type": "string", "format": "binary"}} for media in operation.media}
    elif kind is not None:
        told["content"] = {media: {"schema": schemas[kind] if media == JSON else {"type": "string"}} for media in operation.media}
    return told


def _part(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _params(operation: Operation) -> list[dict[str, Any]]:
    if operation.params is NoParams:
        return []
    (_,), parts = msgspec.json.schema_components([operation.params], ref_template=TEMPLATE)
    shown: dict[str, Any] = parts[operation.params.__name__]["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in shown.items()]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    heard = dict(operation.headers)
    if operation.writes and not operation.unnamed:
        heard["Idempotency-Key"] = "A name for this request: under one name it counts once"
    return [{"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}
            for name, about in heard.items()]

