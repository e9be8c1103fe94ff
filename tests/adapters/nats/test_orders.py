"""Orders of task queues in JetStream: what is withdrawn takes nothing else with it."""

from __future__ import annotations

from uuid import uuid4

import anyio
import pytest
from msgspec import Raw

from perdure.adapters.nats.queues.orders import Orders, encode, subject_of
from perdure.adapters.nats.wire.buckets import PARTITIONS, TASKS, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.consumers import Consumer
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.pulling import DONE, deliveries, say
from perdure.adapters.nats.wire.store import Store
from perdure.runtime.perform.elsewhere import Order
from tests.adapters.nats.server import NatsServer

pytestmark = pytest.mark.anyio

PATIENCE = 20.0
ACK_SECONDS = 0.3


async def test_what_a_lost_worker_had_is_handed_out_again_though_its_neighbour_was_withdrawn(nats_server: NatsServer) -> None:
    async with connect(nats_server.url) as connection:
        store = Store(connection, Subjects(f"n{uuid4().hex}", PARTITIONS))
        await prepare(store, (TASKS,))
        bucket, namespace = store.subjects.bucket_of(TASKS.part), store.subjects.namespace
        consumer = Consumer(bucket, "gpu", f"perdure.{namespace}.{TASKS.tree}.gpu.*", ack_seconds=ACK_SECONDS, alone=False)
        orders = Orders(store)

        async def room() -> int:
            return 1

        wished = [Order("render", Raw(b"[]"), f"run/default/r{number}", "0", 1, 0, 0, "gpu") for number in range(3)]
        with anyio.fail_after(PATIENCE):
            async with orders.serving():
                for order in wished:
                    await store.replace(TASKS.part, subject_of(namespace, order), encode(order), 0)
                taken = deliveries(store, consumer, room)
                _, withdrawn, third = [await anext(taken) for _ in wished]
                assert withdrawn.data == encode(wished[1])
                orders.withdraw(wished[1], stop=False)
                while await store.last(TASKS.part, withdrawn.subject) is not None:  # noqa: ASYNC110 - the server tells nobody
                    await anyio.sleep(0.01)
                await say(connection, third, DONE)
                again = await anext(taken)
                assert again.data == encode(wished[0])
                orders.withdraw(wished[2], stop=False)  # nothing is there any more, which is as well
                await say(connection, again, DONE)
