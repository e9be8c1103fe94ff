"""Webhooks over HTTP: dead letters in the words of seed 004, one of them whole, redriven and dropped; and those of a run."""

from __future__ import annotations

import anyio
import pytest

import perdure
from perdure import Refused
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from perdure.steps import webhook
from tests.adapters.http.shop import SECRET, Shop, shop
from tests.adapters.webhooks.receiver import Receiver

pytestmark = pytest.mark.anyio

DLQ = "/api/v1/workflows/webhooks/dlq"
COLUMNS = {"id", "tenant_id", "run_id", "url", "body_json", "attempts", "next_attempt_at", "last_error", "created_at"}


@perdure.workflow
async def tells(url: str) -> str:
    return await webhook(url, "order.paid", {"cents": 1200})


async def until(runtime: perdure.Runtime, id: str, status: str, tenant: str = "acme") -> None:
    for _ in range(2000):
        if (await runtime.webhook(id, tenant=tenant)).webhook.status == status:
            return
        await anyio.sleep(0.01)
    raise AssertionError(f"the webhook {id} is not {status}")


async def told(service: Shop, receiver: Receiver, run: str) -> str:
    """The id of a webhook of a run that is a dead letter by now."""
    starter = await service.caller("starter", user="ann")
    await starter.start("tells", [f"{receiver.url}/500"], run)
    id: str = (await service.runtime.run(run, tenant="acme").result())
    await until(service.runtime, id, "dead")
    return id


async def test_dead_letters_are_listed_looked_at_redriven_and_dropped(receiver: Receiver) -> None:
    async with shop(flows=[tells]) as service:
        ids = [await told(service, receiver, run) for run in ("o-1", "o-2")]
        operator, viewer = await service.caller("operator", user="olga"), await service.caller("viewer")
        first = (await viewer.get(f"{DLQ}?limit=1")).json()
        rest = (await viewer.get(f"{DLQ}?after={first['after']}")).json()
        receiver.healed = True
        redriven = await operator.post(f"{DLQ}/{ids[0]}/redrive")
        dropped = await operator.post(f"{DLQ}/{ids[1]}/drop", {"why": "nobody reads it"})
        await until(service.runtime, ids[0], "delivered")
        arrived, again = await viewer.get(f"{DLQ}/{ids[0]}"), await operator.post(f"{DLQ}/{ids[1]}/redrive")
        other = await (await service.caller("admin", tenant="other")).get(f"{DLQ}/{ids[0]}")
        too_many = await viewer.get(f"{DLQ}?limit=101")

    rows = {row["run_id"]: row for row in (*first["webhooks"], *rest["webhooks"])}
    assert rows.keys() == {"o-1", "o-2"}
    assert rows["o-1"].keys() >= COLUMNS
    assert (rows["o-1"]["tenant_id"], rows["o-1"]["attempts"], rows["o-1"]["last_error"]) == ("acme", 3, "HTTP 500: so")
    assert (rows["o-1"]["body_json"]["data"], rows["o-1"]["next_attempt_at"]) == ({"cents": 1200}, None)
    assert [redriven.json()["status"], dropped.json()["status"], arrived.json()["status"]] == ["retrying", "dropped", "delivered"]
    assert [again.status_code, other.status_code, too_many.status_code] == [409, 404, 422]


async def test_who_started_a_run_sees_its_deliveries_and_no_other(receiver: Receiver) -> None:
    async with shop(flows=[tells]) as service:
        ids = [await told(service, receiver, run) for run in ("o-1", "o-2")]
        ann, ben = await service.caller("starter", user="ann"), await service.caller("starter", user="ben")
        path = "/api/v1/workflows/runs/o-1/webhooks/deliveries"
        mine, none, of_nobody = (await ann.get(path)).json(), await ann.get(f"{path}?status=queued"), await ben.get(path)
        dead = await ann.get(DLQ)

    assert [row["id"] for row in mine["webhooks"]] == ids[:1]
    assert (none.json()["webhooks"], of_nobody.status_code, dead.status_code) == ([], 404, 403)


async def test_a_client_has_the_methods_of_a_runtime(receiver: Receiver) -> None:
    async with perdure.open("memory:", workflows=[tells]) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["operator", "starter"])
        async with (
            served(asgi(runtime, HttpSettings(key_secret=SECRET)), "127.0.0.1", 0) as address,
            perdure.connect(address, key=made.text) as client,
        ):
            id = await (await client.start(tells, f"{receiver.url}/500", id="o-1")).result()
            await until(runtime, id, "dead", "default")
            page, here = await client.webhooks(), await runtime.webhooks()
            of_run = await client.webhooks("", run="o-1")
            body = (await client.webhook(id)).body
            dropped = await client.drop_webhook(id, why="old")
            with pytest.raises(Refused):
                await client.redrive_webhook(id)

    assert (page, of_run.webhooks) == (here, here.webhooks)
    assert b'"cents":1200' in bytes(body)
    assert dropped.webhook.status == "dropped"
