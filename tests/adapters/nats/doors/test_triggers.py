"""Triggers: a message of others begins a run; the same id begins one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from perdure import Invalid, NotFound, Trigger, workflow
from perdure.adapters.nats.doors.triggers import heard, kept
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from tests.adapters.nats.crew import crew
from tests.adapters.nats.doors.shop import plain_client
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE, node

pytestmark = pytest.mark.anyio


@workflow
async def greet(person: dict[str, str]) -> str:
    return f"hello {person['name']}"


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncGenerator[Any]:
    client: Any = await plain_client(nats_server.url)
    yield client
    await client.close()


async def runs_of(runtime: Runtime, count: int) -> dict[str, str]:
    """What the runs returned, once there are so many."""
    with anyio.fail_after(PATIENCE.total_seconds()):
        while len(page := (await runtime.runs()).runs) < count:  # noqa: ASYNC110 - a list tells nobody that it grows
            await asyncio.sleep(0.01)
    return {line.run: await runtime.run(line.run).result(within=PATIENCE) for line in page}


async def test_a_message_that_is_heard_begins_a_run(nats_server: NatsServer, namespace: str, client: Any) -> None:
    trigger = Trigger(f"{namespace}.new.*", greet)
    async with connect(nats_server.url) as connection, connect(nats_server.url) as other, node(MemoryLog().carrier(), greet) as runtime:
        async with heard(connection, runtime, namespace, trigger), heard(other, runtime, namespace, trigger):
            for _ in range(3):
                await client.publish(f"{namespace}.new.a", b'{"name":"ann"}', headers={"Nats-Msg-Id": "m 1"})
            await client.publish(f"{namespace}.new.b", b"no json")
            await client.publish(f"{namespace}.new.b", b'["no object"]')
            await client.publish(f"{namespace}.new.b", b'{"name":"bob"}')

            found = await runs_of(runtime, 2)
        assert found["greet-m 1"] == "hello ann"
        assert sorted(found.values()) == ["hello ann", "hello bob"]


async def test_a_message_that_is_kept_begins_exactly_one_run(nats_server: NatsServer, namespace: str, client: Any) -> None:
    js = client.jetstream()
    await js.add_stream(name=namespace, subjects=[f"{namespace}.>"], duplicate_window=0.1)
    trigger = Trigger(f"{namespace}.new", greet, stream=namespace, name="welcome")
    for number in range(5):
        await js.publish(f"{namespace}.new", json.dumps({"name": str(number)}).encode())
    await js.publish(f"{namespace}.new", b'{"name":"ann"}', headers={"Nats-Msg-Id": "m-1"})
    await js.publish(f"{namespace}.other", b'{"name":"none"}')
    await js.publish(f"{namespace}.new", b"[1")
    log, found = MemoryLog(), dict[str, str]()
    for opening in (1, 2):  # what was begun is not begun again
        async with connect(nats_server.url) as connection, node(log.carrier(opening), greet) as runtime:
            store = Store(connection, Subjects(namespace, PARTITIONS))
            async with kept(store, runtime, trigger, lambda: True):
                await runs_of(runtime, 6 + (opening == 2))
                await asyncio.sleep(0.2)  # past the window in which the server itself knows repeats
                await js.publish(f"{namespace}.new", b'{"name":"ann"}', headers={"Nats-Msg-Id": "m-1"})
                await js.publish(f"{namespace}.new", b'{"name":"late"}', headers={"Nats-Msg-Id": "m-2"})
                found = await runs_of(runtime, 7)
                while (await js.consumer_info(namespace, f"perdure-{namespace}-welcome")).num_ack_pending:  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)
    assert sorted(found.values()) == sorted([f"hello {who}" for who in ("0", "1", "2", "3", "4", "ann", "late")])
    assert {"welcome-m-1", "welcome-m-2"} < set(found)
    dead = await js.stream_info(f"PERDURE_{namespace}_DLQ")
    assert dead.state.messages == 1


TRIGGERED = """
import perdure

@perdure.workflow
async def greet(person: dict[str, str]) -> str:
    return f"hello {person['name']}"

WELCOME = perdure.Trigger("SUBJECT.new", greet, name="welcome")
AGAIN = WELCOME
"""


async def test_a_worker_hears_the_triggers_of_its_modules(nats_server: NatsServer, namespace: str, client: Any, tmp_path: Path) -> None:
    flows = TRIGGERED.replace("SUBJECT", namespace)
    async with crew(nats_server.url, namespace, tmp_path, flows=flows) as team:
        await team.hire()
        await client.publish(f"{namespace}.new", b'{"name":"ann"}', headers={"Nats-Msg-Id": "m"})
        with anyio.fail_after(PATIENCE.total_seconds()):
            while (await team.ask("run.welcome-m.look", None))["status"] != "applied":  # noqa: ASYNC110 - the log is in another process
                await asyncio.sleep(0.01)

        assert await team.result("welcome-m") == "hello ann"


async def test_a_trigger_whose_stream_is_not_there_says_so(nats_server: NatsServer, namespace: str) -> None:
    async with connect(nats_server.url) as connection, node(MemoryLog().carrier(), greet) as runtime:
        store = Store(connection, Subjects(namespace, PARTITIONS))
        with pytest.raises(NotFound, match="make it first"):
            async with kept(store, runtime, Trigger("a.b", greet, stream=namespace), lambda: True):
                pass


@pytest.mark.parametrize("subject", ["", "a..b", "a b", ".a", "$JS.x", "perdure.shop.in.>", ">"])
def test_a_trigger_listens_to_subjects_of_others(subject: str) -> None:
    with pytest.raises(Invalid):
        Trigger(subject, greet)
