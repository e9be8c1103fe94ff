"""All doors of real workers: opened by perdure.open, for clients of every kind."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import anyio
import pytest
from nats.aio.msg import Msg

import perdure
from perdure import Invalid, Trigger, workflow
from tests.adapters.nats.doors.shop import SHOP, customer, listening, order, plain_client, total
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE

pytestmark = pytest.mark.anyio


@workflow
async def welcome(who: str) -> str:
    return f"welcome {who}"


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


async def test_two_workers_serve_every_door_of_one_namespace(nats_server: NatsServer, namespace: str) -> None:
    url, heard = f"{nats_server.url}/{namespace}", dict[str, list[int]]()
    client: Any = await plain_client(nats_server.url)
    keep = client.jetstream().publish
    await client.jetstream().add_stream(name=f"W{namespace}", subjects=[f"{namespace}.>"])
    trigger = Trigger(f"{namespace}.new", welcome, stream=f"W{namespace}")

    async def hear(message: Msg) -> None:
        told = json.loads(message.data)
        heard.setdefault(told["run"], []).extend(range(told["first"], told["last"] + 1))

    with anyio.fail_after(60):
        async with (
            perdure.open(url, workflows=[*SHOP, welcome], triggers=[trigger]),
            perdure.open(url, workflows=[*SHOP, welcome], triggers=[trigger]),
            perdure.connect(url) as shop,
            customer(nats_server.url, namespace) as ann,
        ):
            await client.subscribe(f"perdure.{namespace}.events.*", cb=hear)
            await listening(client)
            runs = [await shop.start(order, f"c{number}", id=f"o-{number}") for number in range(8)]
            for number, run in enumerate(runs):
                assert (await ann.ask(f"run.o-{number}.update.put", [1]))["result"] == 1
                await keep(f"perdure.{namespace}.in.run.o-{number}.update.put", b"[2]")
                await keep(f"perdure.{namespace}.in.run.o-{number}.signal.word", b'"x"')
                await keep(f"{namespace}.new", b'"%d"' % number, headers={"Nats-Msg-Id": f"m-{number}"})
                assert await run.result(within=PATIENCE) == f"c{number}: x"
                assert await run.query("numbers") == [1, 2]
            assert await (await shop.start(total, 1)).result(within=PATIENCE) == 3
            welcomed = {f"welcome-m-{number}" for number in range(8)}
            while not welcomed <= {line.run for line in (await shop.runs(limit=100)).runs}:  # noqa: ASYNC110 - begun in its own time
                await asyncio.sleep(0.05)
            results = [await shop.run(f"welcome-m-{number}").result(within=PATIENCE) for number in range(8)]
            assert results == [f"welcome {number}" for number in range(8)]
            while len((await shop.runs(status="completed")).runs) < 17:  # noqa: ASYNC110 - lists lag behind what is written
                await asyncio.sleep(0.05)
    await client.close()
    assert all(heard[f"o-{number}"] == list(range(1, 1 + len(heard[f"o-{number}"]))) for number in range(8))


async def test_only_nats_has_triggers() -> None:
    with pytest.raises(Invalid, match="only NATS"):
        async with perdure.open("memory:", triggers=[Trigger("a.b", welcome)]):
            pass
