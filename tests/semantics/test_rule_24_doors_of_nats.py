"""Two words at the doors of NATS: *received* is JetStream's acknowledgement, *applied* is the answer; and a repeat counts once (23)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import anyio
import pytest

from perdure.adapters.nats.doors.inbox import inbox
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from tests.actors.account import WatchedLog
from tests.adapters.nats.conftest import anyio_backend, nats_server
from tests.adapters.nats.doors.shop import Customer, customer, shop
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE, named, until

__all__ = ["anyio_backend", "nats_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def log() -> WatchedLog:
    return WatchedLog()


@pytest.fixture
async def ann(nats_server: NatsServer, log: WatchedLog) -> AsyncGenerator[Customer]:
    """A customer of a shop whose door and inbox are open."""
    namespace = uuid4().hex
    async with (
        shop(nats_server.url, namespace, log=log) as runtime,
        connect(nats_server.url) as connection,
        inbox(Store(connection, Subjects(namespace, PARTITIONS)), runtime, drain_seconds=0.1),
        customer(nats_server.url, namespace) as plain,
    ):
        yield plain


async def received(ann: Customer, subject: str, body: bytes = b"", **headers: str) -> int:
    """The place in the inbox that JetStream acknowledges."""
    client: Any = ann.client
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ack = await client.jetstream().publish(f"{ann.root}in.{subject}", body, headers=named or None)
    return int(ack.seq)


async def taken_out(ann: Customer) -> None:
    """Return once nothing lies in the inbox."""
    client: Any = ann.client
    bucket = f"PERDURE_{ann.root.split('.')[1]}_IN"
    with anyio.fail_after(PATIENCE.total_seconds()):
        while (await client.jetstream().stream_info(bucket)).state.messages:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def test_applied_is_said_once_it_is_durable_and_received_before(ann: Customer, log: WatchedLog) -> None:
    await ann.ask("start.order", Perdure_Run_Id="o-1")
    log.shut()
    asked = asyncio.create_task(ann.ask("run.o-1.update.put", [1]))
    await until(lambda: log.held)
    assert await received(ann, "run.o-1.signal.word", b'"x"') == 1  # though nothing can be judged now
    await asyncio.sleep(0.1)

    assert not asked.done()
    log.gate.set()
    assert (await asked)["status"] == "answered"
    assert (await ann.ask("run.o-1.result"))["result"] == "c: x"


async def test_what_was_received_is_acknowledged_once_it_is_durable(ann: Customer, log: WatchedLog) -> None:
    await received(ann, "start.order", Perdure_Run_Id="o-1")
    await taken_out(ann)
    assert named(log, "o-1") == ["RunStarted"]

    await received(ann, "run.o-1.signal.word", b'"x"')
    await taken_out(ann)
    assert "SignalReceived" in named(log, "o-1")


async def test_a_repeat_under_one_command_id_counts_once_by_whichever_way_it_comes(ann: Customer, log: WatchedLog) -> None:
    await ann.ask("start.order", Perdure_Run_Id="o-1")
    first = await ann.ask("run.o-1.update.put", [4], Perdure_Command_Id="till/1")
    for _ in range(3):
        assert await ann.ask("run.o-1.update.put", [4], Perdure_Command_Id="till/1") == first
        await received(ann, "run.o-1.update.put", json.dumps([4]).encode(), Perdure_Command_Id="till/1")
    await taken_out(ann)

    assert (await ann.ask("run.o-1.query.numbers"))["result"] == [4]
    assert named(log, "o-1").count("UpdateAccepted") == 1
