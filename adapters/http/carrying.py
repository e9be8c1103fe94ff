"""How a request of a runtime is sent to a service: by which method, to which path, with what behind the question mark and in the body."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from ...eventlog.errors import Invalid
from ...eventlog.search import Condition
from ...runtime.requests import (
    AnyList,
    AnyPage,
    AnyReply,
    AnyRequest,
    Declined,
    ListApprovals,
    ListRuns,
    ReadEvents,
    Request,
    StartDefinition,
)
from ...runtime.requests.access import ChangeRole, ChangeUser, EndKey, KeyLine, KeyPage, ListKeys, ListRoles, ListUsers, UserLine, UserPage
from ...runtime.requests.definitions import (
    AnyDefined,
    AnyDefining,
    ApplyDefinition,
    ArchiveDefinition,
    CheckDefinition,
    ListDefinitions,
    ListStepTypes,
    ShowDefinition,
)
from ...runtime.requests.webhooks import DropWebhook, ListWebhooks, LookAtWebhook, RedriveWebhook
from . import artifacts, definition_runs, definitions, keys, people, runs, webhooks
from .operations import JSON, PARTS, Operation

BY_NAME: Mapping[str, Operation] = {
    operation.name: operation
    for part in (runs, artifacts, webhooks, definitions, definition_runs, keys, people)
    for operation in part.OPERATIONS
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
    if (carry := CARRY.get(type(request))) is not None:
        return carry(request)
    operation = operation_for(request)
    return Sent(operation, path_of(operation, _parts(operation, request)), body=_body(operation, request))


def reply_in(sent: Sent, status: int, body: bytes) -> AnyReply | AnyPage | AnyDefined | artifacts.ArtifactPage | keys.NewKey:
    """What the answer to a request says; msgspec.ValidationError where it is not what the operation answers."""
    found: Any = msgspec.json.decode(body, type=sent.operation.answers.get(status, Declined))
    whole = WHOLE.get(found.__class__)
    reply: AnyReply | AnyPage | AnyDefined | artifacts.ArtifactPage | keys.NewKey = found if whole is None else whole(found)
    return reply


WHOLE: Mapping[type, Callable[[Any], AnyPage]] = {
    webhooks.WebhookRows: lambda found: found.page(),
    webhooks.WebhookRow: lambda found: found.shown(),
    UserLine: lambda found: UserPage([found]),
    KeyLine: lambda found: KeyPage([found]),
}
"""Answers that a runtime gives in another form."""


def asked_for_artifacts(run: str) -> Sent:
    return _asked("runs.artifacts", {"run_id": run})


def path_of_artifact(run: str, name: str) -> str:
    return path_of(BY_NAME["runs.artifact"], {"run_id": run, "name": name})


def key_asked_for(user: str, roles: Sequence[str], label: str, expires_in: float) -> Sent:
    return _with_body("keys.create", {}, user=user, roles=roles, label=label, expires_in=expires_in)


def successor_asked_for(id: str, overlap: float, expires_in: float) -> Sent:
    return _with_body("keys.rotate", {"key_id": id}, overlap=overlap, expires_in=expires_in)


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


def _asked(operation_name: str, parts: Mapping[str, str] | None = None, /, **given: Any) -> Sent:
    """A request without a body."""
    operation = BY_NAME[operation_name]
    return Sent(operation, path_of(operation, parts or {}), {name: str(value) for name, value in given.items() if value not in (None, "")})


def _with_text(operation_name: str, text: str, /, **given: Any) -> Sent:
    asked = _asked(operation_name, **given)
    media = JSON if text.lstrip().startswith("{") else definitions.YAML[0]
    return Sent(asked.operation, asked.path, asked.params, text.encode(), media)


def _runs(asked: ListRuns) -> Sent:
    where = text_of(asked.where)
    return _asked("runs.list", status=asked.status, workflow=asked.workflow, where=where, dead="true" if asked.dead else "",
                  after=asked.after, limit=asked.limit)


def _approvals(asked: ListApprovals) -> Sent:
    return _asked("approvals.list", mine="true" if asked.by else "", after=asked.after, limit=asked.limit)


def _events(asked: ReadEvents) -> Sent:
    limit, types = min(asked.limit, runs.EVENTS_MAX), ",".join(asked.types)
    return _asked("runs.events", {"run_id": asked.run}, since=asked.since, types=types, limit=limit, wait=asked.wait)


def _webhooks(asked: ListWebhooks) -> Sent:
    name, parts = ("runs.deliveries", {"run_id": asked.run}) if asked.run else ("webhooks.list", {})
    return _asked(name, parts, status=asked.status, after=asked.after, limit=min(asked.limit, webhooks.ROWS_MAX))


def _with_body(operation_name: str, parts: Mapping[str, str], /, **body: Any) -> Sent:
    operation = BY_NAME[operation_name]
    return Sent(operation, path_of(operation, parts), body=msgspec.json.encode(body))


def _user(asked: ChangeUser) -> Sent:
    match asked.change:
        case "create":
            return _with_body("users.create", {}, user=asked.user, roles=asked.roles)
        case "give" | "take":
            return _with_body(f"users.{asked.change}", {"user": asked.user}, roles=asked.roles)
        case "disable" | "enable":
            return _with_body(f"users.{asked.change}", {"user": asked.user}, why=asked.why)


def _role(asked: ChangeRole) -> Sent:
    return _with_body("roles.define", {"role": asked.role}, permissions=asked.permissions)


def _end_of_key(asked: EndKey) -> Sent:
    return _with_body("keys.revoke", {"key_id": asked.id}, why=asked.why)


def _webhook(asked: LookAtWebhook) -> Sent:
    return _asked("webhooks.show", {"webhook_id": asked.id})


def _redrive(asked: RedriveWebhook) -> Sent:
    return _asked("webhooks.redrive", {"webhook_id": asked.id})


def _drop(asked: DropWebhook) -> Sent:
    return replace(_asked("webhooks.drop", {"webhook_id": asked.id}), body=msgspec.json.encode({"why": asked.why}))


def _apply(asked: ApplyDefinition) -> Sent:
    return _with_text("definitions.create", asked.text, expected=asked.expected, name=asked.name)


def _archive(asked: ArchiveDefinition) -> Sent:
    return _asked("definitions.archive", {"definition_name": asked.name}, expected=asked.expected, why=asked.why)


def _show(asked: ShowDefinition) -> Sent:
    return _asked("definitions.show", {"definition_name": asked.name}, version=asked.version)


def _definitions(asked: ListDefinitions) -> Sent:
    return _asked("definitions.list", archived="true" if asked.archived else "", after=asked.after, limit=asked.limit)


def _check(asked: CheckDefinition) -> Sent:
    return _with_text("definitions.validate", asked.text)


def _types(asked: ListStepTypes) -> Sent:
    return _asked("step_types")


def _start_of_definition(asked: StartDefinition) -> Sent:
    given = {name: getattr(asked, name) for name in definition_runs.RunBody.__struct_fields__ if name not in ("inputs", "version")}
    if asked.definition:
        operation, body = BY_NAME["definitions.run"], {"inputs": asked.inputs, "version": asked.number, **given}
    else:
        operation, body = BY_NAME["definitions.run_adhoc"], {"inputs": asked.inputs, "definition": asked.text, **given}
    return Sent(operation, path_of(operation, {"definition_name": asked.definition}), body=msgspec.json.encode(body))


CARRY: Mapping[type[Request], Callable[[Any], Sent]] = {
    StartDefinition: _start_of_definition,
    ListRuns: _runs,
    ListApprovals: _approvals,
    ReadEvents: _events,
    ListWebhooks: _webhooks,
    LookAtWebhook: _webhook,
    RedriveWebhook: _redrive,
    DropWebhook: _drop,
    ApplyDefinition: _apply,
    ArchiveDefinition: _archive,
    ShowDefinition: _show,
    ListDefinitions: _definitions,
    CheckDefinition: _check,
    ListStepTypes: _types,
    ChangeUser: _user,
    ListUsers: lambda asked: _asked("users.list", after=asked.after, limit=asked.limit),
    ChangeRole: _role,
    ListRoles: lambda _: _asked("roles.list"),
    ListKeys: lambda asked: _asked("keys.list", after=asked.after, limit=asked.limit),
    EndKey: _end_of_key,
}
"""Requests that are not carried as their fields are."""


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
