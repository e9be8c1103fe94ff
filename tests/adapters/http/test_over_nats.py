"""Keys and users over NATS: several processes of a service know the same ones, and whoever may speak to the workers keeps them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest

import perdure
from perdure import ApprovalPolicy, Refused, workflow
from perdure.adapters.http.app import asgi
from perdure.adapters.http.auth.keyring import Keyring
from perdure.adapters.http.settings import HttpSettings
from perdure.adapters.system.clock import SystemClock
from perdure.runtime.calling import Calling
from tests.adapters.http.shop import FLOWS, RUNS, SECRET
from tests.adapters.nats.server import NatsServer, running

pytestmark = pytest.mark.anyio

PATIENCE = 20.0


@asynccontextmanager
async def services(url: str, many: int) -> AsyncGenerator[list[httpx.AsyncClient]]:
    """So many processes of one service, as far as the log can tell: each with a runtime of its own."""
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []
        for _ in range(many):
            runtime = await stack.enter_async_context(perdure.open(url, workflows=FLOWS))
            app: Any = asgi(runtime, HttpSettings(key_secret=SECRET))
            transport = httpx.ASGITransport(app)
            clients.append(await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://shop")))
        yield clients


async def answers(clients: list[httpx.AsyncClient], key: str, expected: int) -> None:
    """Wait until all processes answer so; the others may know better only for a second."""
    with anyio.fail_after(PATIENCE):
        while {(await one.get(RUNS, headers={"x-api-key": key})).status_code for one in clients} != {expected}:  # noqa: ASYNC110 - asked from outside
            await anyio.sleep(0.05)


async def test_all_processes_of_a_service_know_the_same_keys_users_and_roles(nats_server: NatsServer) -> None:
    url = f"{nats_server.url}/{uuid4().hex}"
    async with services(url, 3) as clients, perdure.connect(url) as operator:
        ring = Keyring(operator, SECRET, SystemClock().now)
        await operator.define_role("watcher", ["workflows.runs.read"], by="olga")
        await operator.change_user("ann", "create", ["watcher", "starter"], by="olga")
        ann, ben = await ring.create("default", "ann"), await ring.create("default", "ben", ["viewer"])
        for key in (ann, ben):
            await answers(clients, key.text, 200)
        started = await clients[0].post(RUNS, json={"workflow": "hello", "arguments": ["Ann"], "run": "r"}, headers={"x-api-key": ann.text})
        seen = [(await one.get(f"{RUNS}/r/result", headers={"x-api-key": ben.text})).json()["result"] for one in clients]

        await operator.change_user("ann", "disable", why="left")
        await answers(clients, ann.text, 401)
        await ring.revoke(ben.about.id)
        await answers(clients, ben.text, 401)
        listed = {line.user: (line.good, line.used is not None) for line in (await operator.keys()).keys}

        assert (started.status_code, seen) == (201, ["Hello, Ann!"] * 3)
        assert listed == {"ann": (True, True), "ben": (False, True)}


async def test_a_key_that_is_made_by_one_process_is_known_by_the_others_and_outlives_it(nats_server: NatsServer) -> None:
    url = f"{nats_server.url}/{uuid4().hex}"
    async with services(url, 1) as first:
        async with perdure.connect(url) as operator:
            admin = await Keyring(operator, SECRET, SystemClock().now).create("default", "olga", ["admin"])
        told = await first[0].post("/api/v1/keys", json={"user": "ann", "roles": ["viewer"]}, headers={"x-api-key": admin.text})
    async with services(url, 2) as others:
        await answers(others, told.json()["key"], 200)
        body = {"user": "ann", "roles": ["starter"]}
        created = await others[1].post("/api/v1/users", json=body, headers={"x-api-key": admin.text})
        await answers(others, told.json()["key"], 200)  # one's own runs, of which there are none
        may = [(await one.get("/api/v1/whoami", headers={"x-api-key": told.json()["key"]})).json() for one in others]

    assert created.status_code == 201
    assert may[1]["roles"] == []


@workflow
async def pay() -> list[str]:
    policy = ApprovalPolicy(users=("ada",), roles=("clerk",), quorum=2)
    return [voice.by for voice in (await perdure.approval("pay", policy=policy)).voices]


async def all_show(callers: list[Calling], many: int) -> None:
    """Wait until carl finds so many in his inbox, whoever is asked: the index of runs is written behind the log."""
    with anyio.fail_after(PATIENCE):
        while {len((await who.approvals(by="carl", roles=["clerk"])).approvals) for who in callers} != {many}:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.05)


async def test_a_policy_holds_over_nats_and_each_is_shown_what_they_may_decide(nats_server: NatsServer) -> None:
    url = f"{nats_server.url}/{uuid4().hex}"
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(perdure.open(url, workflows=[pay])) for _ in range(2)]
        client = await stack.enter_async_context(perdure.connect(url, workflows=[pay]))
        run = await client.start(pay, id="r")
        (asked,) = await run.approvals()
        await all_show([*nodes, client], 1)
        await run.approve(asked, by="carl", roles=["clerk"])
        with pytest.raises(Refused, match="not theirs"):
            await run.approve(asked, by="eve", roles=["viewer"])
        await all_show([*nodes, client], 0)
        await nodes[1].run("r").approve(asked, by="ada")

        assert await run.result() == ["carl", "ada"]


async def test_that_the_log_is_away_is_told_while_who_probes_still_listens(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        async with services(f"{server.url}/{uuid4().hex}", 1) as (service,):
            good = await service.get("/readyz")
            server.kill()
            began = anyio.current_time()
            told = await service.get("/readyz")
            seconds = anyio.current_time() - began
            server.start()  # so that the runtime can leave

    assert (good.status_code, told.status_code, told.json()["status"], told.json()["why"]) == (200, 503, "degraded", "unavailable")
    assert seconds < 4
