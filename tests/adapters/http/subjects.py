"""What operations are called on: runs at rest, each in a state that its operation is for, their approvals and tokens; and all else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

import anyio
from msgspec import Raw, Struct

import perdure
from perdure import CompleteLater, current, step, workflow
from perdure.adapters.rag.ingesting import Given
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.requests import StartRun
from perdure.runtime.run.notices import Deliver
from tests.adapters.http.shop import FLOWS, Shop, asks, fails, order

ABSENT_KEY = "000000000000"


@step
async def ask_partner() -> int:
    tokens[current().run] = current().token
    raise CompleteLater


@workflow
async def trade() -> int:
    return await ask_partner()


@workflow(name="talk", version=1)
async def talk() -> str:
    return await perdure.signal("name", str)


@workflow(name="talk", version=2)
async def talk_on() -> str:
    return await perdure.signal("name", str) + "!"


KNOWN = (*FLOWS, trade, talk, talk_on)

tokens: dict[str, str] = {}
"""What a step gave out, by its run."""

_numbers = count()


class Making(NamedTuple):
    """A run of a workflow, its arguments, and the event by which it has come to rest."""

    flow: Workflow[..., Any]
    arguments: bytes
    rest: str


def definition_called(name: str) -> dict[str, Any]:
    return {"name": name, "steps": [{"id": "wait", "type": "wait_for_signal", "config": {"name": "go"}}]}


PARKED = Making(order, b"[7]", "StepCompleted")

STATES: Mapping[str, Making] = {
    "runs.retry": Making(fails, b"[]", "RunFailed"),
    "runs.approve": Making(asks, b"[]", "ApprovalRequested"),
    "runs.reject": Making(asks, b"[]", "ApprovalRequested"),
    "runs.skip": Making(trade, b"[]", "StepDeferred"),
    "runs.upgrade": Making(talk, b"[]", "RunStarted"),
    "steps.complete": Making(trade, b"[]", "StepDeferred"),
    "steps.fail": Making(trade, b"[]", "StepDeferred"),
}
"""By operation, where a parked order is not what it is for."""

PARTS: Mapping[str, str] = {"runs.artifact": "notes/report.txt", "runs.update": "add", "runs.query": "notes"}
"""By operation, what {name} is."""

BODIES: Mapping[str, Any] = {
    "runs.start": {"workflow": "hello", "arguments": ["Ann"]},
    "runs.upgrade": {"version": 2},
    "runs.skip": {"step": "ask_partner", "value": 3},
    "runs.signal": "word",
    "runs.update": ["a note"],
    "runs.query": [],
    "steps.complete": {"value": 3},
    "steps.fail": {"error": {"type": "Failed", "message": "no"}},
    "keys.create": {"user": "new", "roles": ["viewer"]},
    "users.give": {"roles": ["viewer"]},
    "users.take": {"roles": ["viewer"]},
    "roles.define": {"permissions": ["workflows.runs.read"]},
    "definitions.renew": definition_called("none"),
    "documents.ingest": {"documents": [{"source": "pears.md", "text": "# Pears", "format": "markdown"}]},
    "definitions.validate": definition_called("none"),
    "definitions.run_adhoc": {"definition": definition_called("none")},
}

QUERIES: Mapping[str, str] = {
    "runs.result": "?within=0.01", "runs.list": "?limit=1000", "approvals.list": "?limit=1000", "documents.remove": "?all=true",
}  # fmt: skip


class Subject(Struct, frozen=True):
    """One thing that an operation is called on: what it is called, and what its state adds to the body."""

    id: str
    body: Mapping[str, Any] = {}


def kind_of(name: str, path: str) -> str:
    """What an operation is about: a run, a definition, a webhook, a key, a token; or nothing that belongs to anybody."""
    if "{run_id}" in path:
        return "run"
    if "{key_id}" in path:
        return "key"
    if "{webhook_id}" in path:
        return "webhook"
    if "{collection}" in path and name != "documents.ingest":  # which makes what is not there
        return "collection"
    if "{user}" in path:
        return "user"
    if "{definition_name}" in path and name != "definitions.renew":  # which makes what is not there
        return "definition"
    return "token" if name in ("steps.complete", "steps.fail") else ""


async def made(service: Shop, name: str, kind: str, tenant: str, by: str) -> Subject:
    """A new subject of an operation, at rest: nothing more happens to it until somebody says so."""
    if kind == "key":
        return Subject((await service.ring.create(tenant, "somebody", ["viewer"])).about.id)
    if kind == "user":
        return Subject((await service.runtime.change_user(f"user-{next(_numbers)}", "create", tenant=tenant)).user)
    if kind == "definition":
        return Subject((await service.runtime.apply_definition(definition_called(f"kept-{next(_numbers)}"), tenant=tenant)).name)
    if kind == "collection":
        return Subject((await service.shelf.take(tenant, f"kept-{next(_numbers)}", [Given("a", b"apples", ".txt")])).collection)
    if kind == "webhook":
        return Subject(await dead_letter(service, f"msg-{next(_numbers)}-", tenant))
    making, id = STATES.get(name, PARKED), f"{tenant}-{next(_numbers)}-"
    start = StartRun(workflow=making.flow.name, version=1, arguments=Raw(making.arguments), run=id, tenant=tenant, by=by)
    await service.runtime.do(start)
    run = service.runtime.run(id, tenant=tenant)
    async for _ in run.follow(types=[making.rest]):
        break
    if kind == "token":
        return Subject(id, {"token": tokens[id]})
    if making.rest == "ApprovalRequested":
        (asked,) = await run.approvals()
        return Subject(id, {"name": asked.name, "digest": asked.digest})
    if name == "runs.resume":
        await run.pause()
    return Subject(id)


async def dead_letter(service: Shop, id: str, tenant: str) -> str:
    """A webhook to where nothing may be sent: its first attempt is its last."""
    await service.runtime.actor("delivery", id, tenant=tenant).ask(Deliver("https://127.0.0.1/", "order.paid", Raw(b"{}")))
    for _ in range(10_000):
        if (await service.runtime.webhook(id, tenant=tenant)).webhook.status == "dead":
            return id
        await anyio.sleep(0.001)
    raise AssertionError(f"the webhook {id} is not dead")


def state_of(name: str) -> str:
    """What tells subjects of one kind apart."""
    return f"{STATES.get(name, PARKED).flow.name} {'paused' if name == 'runs.resume' else ''}"


def absent(name: str, kind: str) -> Subject:
    """One that does not exist."""
    if kind == "key":
        return Subject(ABSENT_KEY)
    body = {"name": "ship", "digest": "0"} if name in ("runs.approve", "runs.reject") else {}
    return Subject(f"of-nobody-{next(_numbers)}", body)


def body_of(name: str, subject: Subject) -> Any:
    """What is sent to an operation; None for nothing."""
    if name == "runs.signal_or_start":
        return {"workflow": "order", "arguments": [7], "signal": "address", "value": "Elm", "run": f"new-{next(_numbers)}"}
    if name == "users.create":
        return {"user": f"new-{next(_numbers)}"}
    if name == "definitions.create":
        return definition_called(f"new-{next(_numbers)}")
    said: Any = BODIES.get(name)
    if not subject.body:
        return said
    whole: dict[str, Any] = {**subject.body, **(said or {})}
    return whole
