"""The durable twins: received once stored, applied once, refused to the dead letters; whatever ends in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from perdure import Unavailable
from perdure.adapters.nats.doors.inbox import CONSUMER, inbox
from perdure.adapters.nats.wire.buckets import DEAD, INBOX, PARTITIONS, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.consumers import Consumer
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.pulling import deliveries
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.calling import Calling
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import Answered, AnyRequest, Applied, Declined
from tests.adapters.nats.doors.shop import SHOP, Through, order, plain_client
from tests.adapters.nats.server import NatsServer, running
from tests.laws.node import AT_ONCE, PATIENCE, named, node
from tests.runtime.serving import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@asynccontextmanager
async def taken_out(url: str, namespace: str, caller: Calling, *, has_turn: Callable[[], bool] = lambda: True) -> AsyncGenerator[None]:
    async with connect(url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS), patience=2)
        async with inbox(store, caller, has_turn=has_turn):
            yield


class Sender:
    """A plain JetStream publisher."""

    def __init__(self, client: Client, js: JetStreamContext, namespace: str) -> None:
        self.client, self.js, self.namespace = client, js, namespace

    async def send(self, subject: str, body: Any = None, **headers: str) -> int:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        ack = await self.js.publish(f"perdure.{self.namespace}.in.{subject}", data, headers=named or None)
        return ack.seq

    async def state(self, part: str) -> int:
        return (await self.js.stream_info(f"PERDURE_{self.namespace}_{part}")).state.messages

    async def drained(self) -> None:
        with anyio.fail_after(PATIENCE.total_seconds()):
            while await self.state("IN"):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sender(url: str, namespace: str) -> AsyncGenerator[Sender]:
    """Its streams are there before any worker is."""
    async with connect(url) as connection:
        await prepare(Store(connection, Subjects(namespace, PARTITIONS)), (INBOX, DEAD))
    client: Any = await plain_client(url)
    try:
        yield Sender(client, client.jetstream(), namespace)
    finally:
        await client.close()


async def test_what_was_received_before_a_worker_came_is_done_when_one_comes(
    nats_server: NatsServer, namespace: str, log: MemoryLog
) -> None:
    url = nats_server.url
    async with sender(url, namespace) as ann, node(log.carrier(), *SHOP) as runtime:
        await ann.send("start.order", ["bob"], Perdure_Run_Id="o-1")
        for number in range(20, 70):
            await ann.send("run.o-1.update.put", [number])
        await ann.send("run.o-1.pause", {"wait": True})
        await ann.send("run.o-1.resume")
        await ann.send("run.o-1.signal.word", "done")
        async with taken_out(url, namespace, runtime):
            await ann.drained()
            assert await runtime.run("o-1").result(within=PATIENCE) == "bob: done"
            assert await runtime.run("o-1").query("numbers") == list(range(20, 70))
        assert await ann.state("DLQ") == 0


async def test_many_messages_are_pulled_without_a_word(
    nats_server: NatsServer, namespace: str, log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Each pull ends with a word of the server; none of them is a trouble."""
    async with sender(nats_server.url, namespace) as ann, node(log.carrier(), *SHOP) as runtime:
        await asyncio.gather(*(ann.send("start.order") for _ in range(700)))
        async with taken_out(nats_server.url, namespace, runtime):
            await ann.drained()
        assert len(log.streams) == 700
    assert [record.message for record in caplog.records if "pulling" in record.message] == []


async def test_a_start_without_an_id_begins_one_run_however_often_it_is_handed_out(
    nats_server: NatsServer, namespace: str, log: MemoryLog
) -> None:
    async with sender(nats_server.url, namespace) as ann, node(log.carrier(), *SHOP) as runtime:
        first = await ann.send("start.total", [1])
        await ann.send("start.total", [1])
        async with taken_out(nats_server.url, namespace, Repeating(runtime)):
            await ann.drained()
        assert first == 1
        page = await runtime.runs()
        assert len(page.runs) == 2
        assert all(line.run.startswith("in-") for line in page.runs)


async def test_a_start_that_names_its_command_alone_begins_one_run_however_often_it_is_sent(
    nats_server: NatsServer, namespace: str, log: MemoryLog
) -> None:
    async with sender(nats_server.url, namespace) as ann, node(log.carrier(), *SHOP) as runtime:
        for _ in range(2):
            await ann.send("start.total", [1], Perdure_Command_Id="ann/7")
        async with taken_out(nats_server.url, namespace, runtime):
            await ann.drained()
        assert len((await runtime.runs()).runs) == 1


async def test_what_is_refused_lies_with_the_dead_letters_and_may_be_sent_again(
    nats_server: NatsServer, namespace: str, log: MemoryLog
) -> None:
    async with (
        sender(nats_server.url, namespace) as ann,
        node(log.carrier(), *SHOP) as runtime,
        taken_out(nats_server.url, namespace, runtime),
    ):
        bad = [
            ("run.none.signal.word", b'"late"', "not_found"), ("start.nothing", b"", "not_found"), ("run.a.explode", b"", "invalid"),
            ("run.a.result", b"", "invalid"), ("start.total", b"[1,", "invalid"), ("x.y", b"", "invalid"),
            ("run." + "x" * 300 + ".cancel", b"", "invalid"), ("run.a.signal.b", b"[" * 100, "invalid"),
        ]  # fmt: skip
        origins = [await ann.send(subject, body, traceparent="00-ab") for subject, body, _ in bad]
        await ann.drained()
        dead = await ann.js.subscribe(f"perdure.{namespace}.dlq.>", ordered_consumer=True)
        letters = [await dead.next_msg(timeout=5) for _ in bad]
        found = {int((message.headers or {})["Perdure-Origin"].rpartition("/")[2]): message for message in letters}
        for (subject, body, code), origin in zip(bad, origins, strict=True):
            message = found[origin]
            headers = message.headers or {}

            assert message.subject == f"perdure.{namespace}.dlq.in.{subject}"
            assert message.data == body
            assert json.loads(headers["Perdure-Error"])["code"] == code
            assert headers["traceparent"] == "00-ab"
        await runtime.start(order, "bob", id="none")
        again = found[origins[0]]
        await ann.js.publish(f"perdure.{namespace}.in.run.none.signal.word", again.data, headers=again.headers)
        assert await runtime.run("none").result(within=PATIENCE) == "bob: late"


class Repeating(Through):
    """Does every request twice, as if the first answer had been lost, and is away for the first."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.away = 3

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        reply = await self.runtime.handle(request)
        if self.away:
            self.away -= 1
            raise Unavailable("lost on the way back")
        reply = await self.runtime.handle(request)
        if isinstance(reply, Declined):
            raise reply.error()
        return reply


@pytest.mark.parametrize("turn", range(3))
async def test_whatever_ends_in_the_middle_nothing_is_lost_and_nothing_counts_twice(
    nats_server: NatsServer, namespace: str, log: MemoryLog, turn: int
) -> None:
    async with sender(nats_server.url, namespace) as ann:
        for run in range(5):
            await ann.send("start.order", Perdure_Run_Id=f"o-{run}")
            for number in range(30):
                await ann.send(f"run.o-{run}.signal.word" if number == 29 else f"run.o-{run}.update.put", "end" if number == 29 else [1])
        door = FaultyLog(log, Script())
        async with node(door.carrier(1), *SHOP, settings=AT_ONCE) as first, connect(nats_server.url) as connection:
            store = Store(connection, Subjects(namespace, PARTITIONS), patience=2)
            async with inbox(store, first, drain_seconds=0.1):
                await until(lambda: len(log.records) > 20 * (turn + 1))
                door.cut()
                await connection.close()  # what it had in hand it cannot give back
        async with node(log.carrier(2), *SHOP) as second, taken_out(nats_server.url, namespace, second):
            for run in range(5):
                assert await second.run(f"o-{run}").result(within=PATIENCE * 3) == "c: end"
                assert await second.run(f"o-{run}").query("numbers") == [1] * 29
                assert named(log, f"o-{run}").count("SignalReceived") == 1
            await ann.drained()
        assert await ann.state("DLQ") == 0


async def test_only_whose_turn_it_is_takes_out(nats_server: NatsServer, namespace: str, log: MemoryLog) -> None:
    whose = ["a"]
    async with (
        sender(nats_server.url, namespace) as ann,
        node(log.carrier(), *SHOP) as runtime,
        taken_out(nats_server.url, namespace, runtime, has_turn=lambda: whose[0] == "b"),
    ):
        await ann.send("start.order", Perdure_Run_Id="o-1")
        await asyncio.sleep(0.5)
        assert await ann.state("IN") == 1
        whose[0] = "b"
        await ann.drained()
        whose[0] = "a"
        await asyncio.sleep(0.5)
        await ann.send("run.o-1.signal.word", "x")
        await asyncio.sleep(0.3)
        assert await ann.state("IN") == 1
        whose[0] = "b"
        assert await runtime.run("o-1").result(within=PATIENCE) == "c: x"


async def test_what_the_one_before_still_takes_is_not_overtaken(nats_server: NatsServer, namespace: str) -> None:
    """A worker learns a moment late that its turn is over; what the server hands it until then comes first for the next one, too."""
    first, second = list[int](), list[int]()
    async with sender(nats_server.url, namespace) as ann, connect(nats_server.url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS), patience=2)
        bucket = store.subjects.bucket_of("IN")

        async def pull(taken: list[int]) -> None:
            async for delivery in deliveries(store, Consumer(bucket, CONSUMER), room):
                taken += [delivery.sequence]

        async def pulls(number: int) -> None:
            with anyio.fail_after(PATIENCE.total_seconds()):
                while not await _waits(ann, bucket, number):  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)

        before = asyncio.create_task(pull(first))
        await pulls(1)
        after = asyncio.create_task(pull(second))
        await pulls(2)
        for number in range(3):
            await ann.send("run.o-1.signal.word", number)
        await until(lambda: first)
        before.cancel()
        await until(lambda: len(set(second)) == 3)
        after.cancel()
        await asyncio.wait([before, after])

    assert first[0] == 1
    assert list(dict.fromkeys(second)) == [1, 2, 3]


async def room() -> int:
    return 200


async def _waits(ann: Sender, bucket: str, number: int) -> bool:
    """Whether so many pulls wait for a message."""
    try:
        return bool((await ann.js.consumer_info(bucket, CONSUMER)).num_waiting == number)
    except NotFoundError:
        return False


async def test_a_server_that_is_killed_meanwhile_loses_nothing(tmp_path: Path, namespace: str, log: MemoryLog) -> None:
    with running(tmp_path) as server:
        async with sender(server.url, namespace) as ann, node(log.carrier(), *SHOP) as runtime:
            await ann.send("start.order", Perdure_Run_Id="o-1")
            async with taken_out(server.url, namespace, runtime):
                for number in range(20, 40):
                    await ann.send("run.o-1.update.put", [number])
                server.kill()
                await anyio.to_thread.run_sync(server.start)
            async with sender(server.url, namespace) as bob, taken_out(server.url, namespace, runtime):
                await bob.send("run.o-1.signal.word", "x")
                assert await runtime.run("o-1").result(within=PATIENCE) == "c: x"
                assert await runtime.run("o-1").query("numbers") == list(range(20, 40))
