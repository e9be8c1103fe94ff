"""What happens to runs is told live, each event with its version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.msg import Msg

from perdure.adapters.nats.doors.broadcast import broadcast
from perdure.adapters.nats.wire.connection import connect
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.doors.shop import SHOP, order, plain_client, total
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE, named, node

pytestmark = pytest.mark.anyio


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


async def test_every_event_of_a_run_is_told_once_with_its_version(nats_server: NatsServer, namespace: str) -> None:
    log, heard = MemoryLog(), list[dict[str, Any]]()
    end = asyncio.Event()

    async def hear(message: Msg) -> None:
        heard.append(json.loads(message.data) | {"subject": message.subject})
        if heard[-1]["event"]["type"] == "RunCompleted":
            end.set()

    async with connect(nats_server.url) as connection, node(log.carrier(), *SHOP) as runtime:
        await (await runtime.start(total, 1, id="before")).result(within=PATIENCE)
        async with broadcast(connection, log, namespace, now=latest(log)):
            client: Any = await plain_client(nats_server.url)
            await client.subscribe(f"perdure.{namespace}.events.*", cb=hear)
            await client.flush()
            await asyncio.sleep(0.3)
            run = await runtime.start(order, "bob", id="o 1", tenant="north")
            await run.signal("word", "x")
            await asyncio.wait_for(end.wait(), 10)
            await client.close()

    assert {line["subject"] for line in heard} == {f"perdure.{namespace}.events.o_201"}
    assert [line["version"] for line in heard] == list(range(1, len(heard) + 1))
    assert {(line["run"], line["tenant"]) for line in heard} == {("o 1", "north")}
    assert heard[0]["event"]["type"] == "RunStarted"
    assert all(line["at"].endswith("Z") for line in heard)
    assert named(log, "before")[0] == "RunStarted"


def latest(log: MemoryLog) -> Callable[[], Any]:
    async def now() -> str:
        return str(len(log.records))

    return now
