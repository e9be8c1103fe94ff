"""Durable consumers: made once, compared, refused by who would use them where they are otherwise, and never changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import Trigger
from perdure.adapters.nats.inspecting import check, initialise
from perdure.adapters.nats.wire.buckets import TASKS, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.consumers import Consumer, had
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Invalid
from tests.adapters.nats.server import NatsServer
from tests.adapters.nats.studio import double, film
from tests.eventlog.making import PATIENCE

pytestmark = pytest.mark.anyio

OTHERWISE = [
    ("max_deliver", 3), ("ack_wait", 2_000_000_000), ("max_ack_pending", 7), ("headers_only", True), ("filter_subject", "perdure.no.in.a"),
    ("inactive_threshold", 10**12), ("max_batch", 1),
]  # fmt: skip


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@asynccontextmanager
async def tools(server: NatsServer, namespace: str) -> AsyncGenerator[Store]:
    async with connect(server.url) as connection:
        yield Store(connection, Subjects(namespace, 64))


async def config(store: Store, place: str) -> dict[str, Any]:
    """How a consumer is configured, as far as that was somebody's to say."""
    found: dict[str, Any] = json.loads(await store.call(f"CONSUMER.INFO.{place}", {}))["config"]
    return {name: value for name, value in found.items() if name != "metadata"}


async def change(store: Store, consumer: Consumer, field: str, value: object) -> dict[str, Any]:
    """What somebody makes of a consumer behind perdure's back."""
    place = f"{consumer.bucket}.{consumer.name}"
    body = {"stream_name": consumer.bucket, "config": consumer.config() | {field: value}}
    answer = json.loads(await store.call(f"CONSUMER.CREATE.{place}", body))
    assert "error" not in answer
    return await config(store, place)


@pytest.mark.parametrize(("field", "value"), OTHERWISE)
async def test_the_consumer_of_the_inbox_is_reported_refused_and_left_as_it_is(
    nats_server: NatsServer, namespace: str, field: str, value: object
) -> None:
    url, inbox = f"{nats_server.url}/{namespace}", Consumer(f"PERDURE_{namespace}_IN", "perdure")
    made = (await initialise(url)).made
    assert inbox.place in made
    assert (await check(url)).is_sound
    async with tools(nats_server, namespace) as store:
        changed = await change(store, inbox, field, value)
        found = (await check(url)).differences
        for use in (perdure.open(url), perdure.open(url)):
            with pytest.raises(Invalid, match=f"{field} is {value!r}"), anyio.fail_after(PATIENCE):
                async with use:
                    pass
        with pytest.raises(Invalid):
            await initialise(url)

        assert [(drift.stream, drift.field, drift.found) for drift in found] == [(inbox.place, field, value)]
        assert await config(store, f"{inbox.bucket}.perdure") == changed


async def test_the_consumer_of_a_queue_is_reported_refused_and_left_as_it_is(nats_server: NatsServer, namespace: str) -> None:
    url, bucket = f"{nats_server.url}/{namespace}", f"PERDURE_{namespace}_TASKS"
    async with perdure.open(url, workflows=[film]), perdure.work_for(url, ["cpu"], steps=[double]):
        pass
    assert (await check(url)).is_sound
    async with tools(nats_server, namespace) as store:
        wanted = Consumer(bucket, "cpu", f"perdure.{namespace}.{TASKS.tree}.cpu.*", at_once=5000, alone=False)
        changed = await change(store, wanted, "max_deliver", 1)
        found = (await check(url)).differences
        with pytest.raises(Invalid, match="max_deliver is 1"), anyio.fail_after(PATIENCE):
            async with perdure.work_for(url, ["cpu"], steps=[double]):
                pass

        assert [(drift.stream, drift.field, drift.expected, drift.found) for drift in found] == [(wanted.place, "max_deliver", -1, 1)]
        assert await config(store, f"{bucket}.cpu") == changed


async def test_the_consumer_of_a_trigger_is_refused_and_left_as_it_is(nats_server: NatsServer, namespace: str) -> None:
    async with tools(nats_server, namespace) as store:
        await store.call(f"STREAM.CREATE.{namespace}", {"name": namespace, "subjects": [f"{namespace}.>"]})
        changed = await change(store, Consumer(namespace, f"perdure-{namespace}-new", f"{namespace}.new"), "max_deliver", 2)
        with pytest.raises(Invalid, match="max_deliver is 2"), anyio.fail_after(PATIENCE):
            async with perdure.open(f"{nats_server.url}/{namespace}", workflows=[film],
                                    triggers=[Trigger(f"{namespace}.new", film, stream=namespace, name="new")]):
                pass

        assert await config(store, f"{namespace}.perdure-{namespace}-new") == changed


async def test_what_an_operator_may_choose_of_a_consumer_is_no_difference(nats_server: NatsServer, namespace: str) -> None:
    url, inbox = f"{nats_server.url}/{namespace}", Consumer(f"PERDURE_{namespace}_IN", "perdure")
    await initialise(url)
    async with tools(nats_server, namespace) as store:
        changed = await change(store, inbox, "description", "ours")
        assert (await check(url)).is_sound
        async with perdure.open(url):
            pass

        assert await config(store, f"{inbox.bucket}.perdure") == changed


async def test_many_who_make_it_at_once_have_the_same_one(nats_server: NatsServer, namespace: str) -> None:
    async with tools(nats_server, namespace) as store:
        await prepare(store, [TASKS])
        consumer = Consumer(store.subjects.bucket_of("TASKS"), "gpu", f"perdure.{namespace}.task.gpu.*", alone=False)

        assert await asyncio.gather(*(had(store, consumer) for _ in range(20))) == [None] * 20
        assert consumer.differences(await config(store, f"{consumer.bucket}.gpu")) == []


async def test_a_consumer_that_is_missing_is_said(nats_server: NatsServer, namespace: str) -> None:
    url = f"{nats_server.url}/{namespace}"
    async with tools(nats_server, namespace) as store:
        await prepare(store)

    assert (await check(url)).missing == [f"PERDURE_{namespace}_IN/perdure"]
