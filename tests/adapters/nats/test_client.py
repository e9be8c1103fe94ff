"""perdure.connect: a runtime's own methods, from a program that serves nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import HandlerError, Invalid, NotFound, Refused, RunError, TooLarge, Unavailable, step, workflow
from perdure.adapters.nats.doors.door import door
from perdure.adapters.nats.wire.connection import Connection, connect
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import Answered, AnyRequest, Applied, SignalRun
from tests.adapters.nats.doors.shop import SHOP, Through, broken, order, refund, shop, total
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE, named, node

pytestmark = pytest.mark.anyio


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


def at(server: NatsServer, namespace: str) -> str:
    return f"{server.url}/{namespace}"


@step
async def later() -> int:
    raise perdure.CompleteLater


@workflow
async def patient() -> int:
    return await later()


async def test_runs_are_started_and_steered_as_in_the_process_that_serves_them(nats_server: NatsServer, namespace: str) -> None:
    async with shop(nats_server.url, namespace), perdure.connect(at(nats_server, namespace)) as client:
        run = await client.start(order, "bob", id="o-1")

        assert await (await client.start(total, 1)).result(within=PATIENCE) == 3
        assert await run.update("put", 4, returns=int) == 4
        assert await run.query("numbers", returns=list[int]) == [4]
        await run.pause("lunch", wait=True)
        assert await run.status() == "paused"
        await run.resume()
        await run.signal("word", "ready")
        assert await run.result() == "bob: ready"
        assert await client.run("o-1").result() == "bob: ready"
        again = await client.signal_or_start(order, "eve", id="o-2", signal="word", value="both")
        assert await again.result(within=PATIENCE) == "eve: both"


async def test_approvals_are_listed_and_decided(nats_server: NatsServer, namespace: str) -> None:
    async with shop(nats_server.url, namespace), perdure.connect(at(nats_server, namespace)) as client:
        run = await client.start(refund, 7)
        (asked,) = await run.approvals()
        await run.approve(asked, by="ann")

        assert asked.show == {"amount": 7}
        assert await run.result(within=PATIENCE) is True


async def test_runs_and_approvals_are_listed(nats_server: NatsServer, namespace: str) -> None:
    async with shop(nats_server.url, namespace) as runtime, perdure.connect(at(nats_server, namespace)) as client:
        for number in range(3):
            await client.start(refund, number, id=f"r-{number}")
        await client.start(order, id="o-1")
        page = await client.runs(workflow="refund", limit=2)

        assert [line.run for line in page.runs] == ["r-0", "r-1"]
        assert await client.runs(workflow="refund", after=page.after) == await runtime.runs(workflow="refund", after="r-1")
        assert (await client.runs(where="amount > 2")).runs == []
        assert [asked.run for asked in (await client.approvals()).approvals] == ["r-0", "r-1", "r-2"]
        with pytest.raises(Invalid, match="a page holds"):
            await client.runs(limit=0)
        with pytest.raises(Invalid):
            await client.runs(where="amount >")


async def test_errors_arrive_as_the_same_errors(nats_server: NatsServer, namespace: str) -> None:
    async with shop(nats_server.url, namespace), perdure.connect(at(nats_server, namespace)) as client:
        run = await client.start(order, "bob", id="o-1")
        with pytest.raises(NotFound, match="no such run"):
            await client.run("none").cancel()
        with pytest.raises(Refused):
            await client.start(order, "another", id="o-1")
        with pytest.raises(Invalid, match="not positive"):
            await run.update("put", -1)
        with pytest.raises(Invalid, match="int"):
            await run.update("put", {"no": "number"})
        with pytest.raises(HandlerError, match="unlucky"):
            await run.update("put", 13)
        with pytest.raises(Unavailable):
            await run.result(within=timedelta(seconds=0.1))
        with pytest.raises(TooLarge, match="max_payload"):
            await run.signal("word", "x" * 2_000_000)
        with pytest.raises(RunError, match="always") as failed:
            await (await client.start(broken)).result(within=PATIENCE)
        await run.terminate()
        with pytest.raises(Refused):
            await run.signal("word", "late")

    assert failed.value.status == "failed"


async def test_steps_are_ended_by_their_tokens(nats_server: NatsServer, namespace: str) -> None:
    async with (
        connect(nats_server.url) as connection,
        node(MemoryLog().carrier(), patient) as runtime,
        door(connection, runtime, namespace),
        perdure.connect(at(nats_server, namespace)) as client,
    ):
        run = await client.start(patient)
        await run.skip("later", 5)

        assert await run.result(within=PATIENCE) == 5


async def test_who_connects_before_a_worker_comes_waits_for_one(nats_server: NatsServer, namespace: str) -> None:
    async with perdure.connect(at(nats_server, namespace)) as client:
        asked = asyncio.create_task(client.start(total, 1, id="t-1"))
        await anyio.sleep(0.2)
        assert not asked.done()
        async with shop(nats_server.url, namespace):
            run = await asked
            assert await run.result(within=PATIENCE) == 3


async def test_without_a_worker_a_request_ends_in_its_own_time(nats_server: NatsServer, namespace: str) -> None:
    async with perdure.connect(at(nats_server, namespace)) as client:
        with anyio.fail_after(2), pytest.raises(Unavailable, match="no worker listens"):
            await client.do(SignalRun(run="o-1", name="word", within=0.3))


async def test_who_waits_for_a_result_waits_on_when_workers_change(nats_server: NatsServer, namespace: str) -> None:
    log = MemoryLog()
    async with perdure.connect(at(nats_server, namespace)) as client:
        async with shop(nats_server.url, namespace, log=log):
            run = await client.start(order, "bob", id="o-1")
            waiting = asyncio.create_task(run.result())
            await run.status()
        async with shop(nats_server.url, namespace, carrier=log.carrier(2)):
            await run.signal("word", "moved")

            assert await waiting == "bob: moved"


class Vanishing(Through):
    """Does the first command and is gone before it has answered."""

    def __init__(self, runtime: Runtime, connection: Connection) -> None:
        super().__init__(runtime)
        self.connection = connection

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        reply = await super()._do(request)
        await self.connection.close()
        return reply


async def test_a_command_whose_answer_is_lost_counts_once(nats_server: NatsServer, namespace: str) -> None:
    log = MemoryLog()
    async with (
        connect(nats_server.url) as first,
        connect(nats_server.url) as second,
        node(log.carrier(), *SHOP) as runtime,
        perdure.connect(at(nats_server, namespace)) as client,
    ):
        await runtime.start(order, id="o-1")
        async with door(first, Vanishing(runtime, first), namespace):
            asked = asyncio.create_task(client.run("o-1").signal("word", "x"))
            while not first.client.is_closed:  # noqa: ASYNC110 - it closes while it answers
                await asyncio.sleep(0.01)
            async with door(second, runtime, namespace):
                with anyio.fail_after(40):
                    await asked
        assert named(log, "o-1").count("SignalReceived") == 1


@pytest.mark.parametrize("url", ["sqlite:///a.db", "memory:", "nats://127.0.0.1:4222", "nothing"])
async def test_a_url_that_names_no_namespace_is_invalid(url: str) -> None:
    with pytest.raises(Invalid):
        async with perdure.connect(url):
            pass
