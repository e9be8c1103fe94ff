"""What happens to runs is told live, each record with its versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.msg import Msg

from perdure.adapters.nats.doors import broadcast as telling
from perdure.adapters.nats.doors.broadcast import broadcast, unheard
from perdure.adapters.nats.wire.connection import connect
from perdure.eventlog.errors import Conflict
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail
from perdure.eventlog.streams import stream_of
from perdure.runtime.run.events import CODEC
from tests.adapters.nats.doors.shop import SHOP, listening, order, plain_client, total
from tests.adapters.nats.server import NatsServer
from tests.eventlog.making import row_of
from tests.laws.node import PATIENCE, named, node

pytestmark = pytest.mark.anyio


class Heard(MemoryLog):
    """A log in memory that tells of what is appended, as the committer of the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Callable[[Sequence[Append]], object] = unheard

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        answers = await super().append(appends)
        for append, answer in zip(appends, answers, strict=True):
            if isinstance(answer, Tail):
                self.told([append])
        return answers


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


async def test_every_event_of_a_run_is_told_once_with_its_versions(nats_server: NatsServer, namespace: str) -> None:
    log, heard = Heard(), list[dict[str, Any]]()
    end = asyncio.Event()

    async def hear(message: Msg) -> None:
        heard.append(json.loads(message.data) | {"subject": message.subject})
        if heard[-1]["events"][-1]["type"] == "RunCompleted":
            end.set()

    async with connect(nats_server.url) as connection, node(log.carrier(), *SHOP) as runtime:
        await (await runtime.start(total, 1, id="before")).result(within=PATIENCE)
        async with broadcast(connection, log, namespace):
            client: Any = await plain_client(nats_server.url)
            await client.subscribe(f"perdure.{namespace}.events.*", cb=hear)
            await listening(client)
            run = await runtime.start(order, "bob", id="o 1", tenant="north")
            await run.signal("word", "x")
            await asyncio.wait_for(end.wait(), 10)
            await client.close()

    told_by_log = [event for record in log.streams[stream_of("run", "north", "o 1")] for event in CODEC.decode(record.data).events]
    assert {line["subject"] for line in heard} == {f"perdure.{namespace}.events.o_201"}
    assert [line["first"] for line in heard] == [1, *(line["last"] + 1 for line in heard[:-1])]
    assert [event["type"] for line in heard for event in line["events"]] == [type(event).__name__ for event in told_by_log]
    assert {(line["run"], line["tenant"]) for line in heard} == {("o 1", "north")}
    assert all(isinstance(line["at"], int) and line["last"] - line["first"] + 1 == len(line["events"]) for line in heard)
    assert named(log, "before")[0] == "RunStarted"



async def test_what_cannot_be_told_is_a_gap_and_nothing_is_kept_for_it(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "WAITING_BYTES_MAX", 100)
    first, *others = row_of("run/default/one", 50)
    async with connect(nats_server.url) as connection:
        teller, told = telling.Teller(connection, namespace), asyncio.Queue[Msg]()
        client: Any = await plain_client(nats_server.url)
        await client.subscribe(f"perdure.{namespace}.events.*", cb=told.put)
        await listening(client)
        for append in (first, *others):
            teller.hear([append])
        serving = asyncio.create_task(teller.serve())
        versions = [json.loads((await asyncio.wait_for(told.get(), 10)).data)["last"] for _ in range(2)]
        teller.hear(others[-1:])
        versions.append(json.loads((await asyncio.wait_for(told.get(), 10)).data)["last"])
        serving.cancel()
        await client.close()

    assert versions == [1, 2, 50]
