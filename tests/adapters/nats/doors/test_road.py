"""The road between workers: whichever worker a request reaches, the owner of the run does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import Unavailable, workflow
from perdure.actors.ports import Ownership
from perdure.adapters.nats.doors.door import door
from perdure.adapters.nats.doors.road import Road, road
from perdure.adapters.nats.wire.connection import Connection, connect
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import partition_of, stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.settings.node import Settings
from tests.adapters.nats.doors.shop import SHOP, Customer, customer, total
from tests.adapters.nats.server import NatsServer
from tests.laws.node import PATIENCE, named

pytestmark = pytest.mark.anyio

PARTITIONS = 8


@workflow
async def family(ids: list[str]) -> list[int]:
    children = [await perdure.start_child(total, number, id=id) for number, id in enumerate(ids)]
    return [await child.result() for child in children]


class Deal:
    """Who owns which partition; all workers see the same."""

    def __init__(self, *workers: str) -> None:
        self.owners: dict[int, str | None] = {number: workers[number % len(workers)] for number in range(PARTITIONS)}

    def owner_of(self, stream: str) -> str | None:
        return self.owners[partition_of(stream, PARTITIONS)]

    def id_owned_by(self, worker: str, prefix: str = "r") -> str:
        return next(id for n in range(1000) if self.owner_of(stream_of("run", "default", id := f"{prefix}-{n}")) == worker)


class Dealt:
    """What one worker owns of it."""

    def __init__(self, deal: Deal, owner: str) -> None:
        self.deal = deal
        self.owner = owner

    def epoch(self, stream: str) -> int | None:
        return 1 if self.deal.owner_of(stream) == self.owner else None


@asynccontextmanager
async def worker(url: str, namespace: str, name: str, deal: Deal, log: MemoryLog) -> AsyncGenerator[tuple[Runtime, Road, Connection]]:
    ownership: Ownership = Dealt(deal, name)
    runtime = Runtime(
        log.carrier(), (*SHOP, family), clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=ownership,
        settings=Settings(drain_seconds=0.1),
    )  # fmt: skip
    async with (
        connect(url) as connection,
        runtime.serving(),
        road(connection, runtime, namespace, deal.owner_of) as way,
        door(connection, runtime, namespace),
    ):
        yield runtime, way, connection


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


Two = tuple[Customer, Deal, dict[str, Runtime]]


@pytest.fixture
async def two(nats_server: NatsServer, namespace: str, log: MemoryLog) -> AsyncGenerator[Two]:
    """A customer before two workers, whose names would break a subject that did not escape them."""
    names = ("host.a *.1", "host.b >.2")
    deal = Deal(*names)
    async with AsyncExitStack() as stack:
        runtimes = {name: (await stack.enter_async_context(worker(nats_server.url, namespace, name, deal, log)))[0] for name in names}
        yield await stack.enter_async_context(customer(nats_server.url, namespace)), deal, runtimes


async def test_whoever_gets_a_request_its_owner_does_it(two: Two, log: MemoryLog) -> None:
    ann, deal, runtimes = two
    for name in runtimes:
        id = deal.id_owned_by(name)
        for number in range(6):  # each worker of the queue group gets some of them
            assert (await ann.ask("start.order", ["bob"], Perdure_Run_Id=id, Perdure_Command_Id=f"ann/{number}"))["status"] == "applied"
            assert (await ann.ask(f"run.{id}.update.put", [1]))["result"] == number + 1
        assert len((await ann.ask(f"run.{id}.query.numbers"))["result"]) == 6
        waiting = [asyncio.create_task(ann.ask(f"run.{id}.result")) for _ in range(6)]
        await ann.ask(f"run.{id}.signal.word", "done")

        assert {(await answer)["result"] for answer in waiting} == {"bob: done"}
        assert named(log, id).count("RunStarted") == 1
    assert (await ann.ask("run.nobody.cancel"))["code"] == "not_found"


async def test_families_that_live_on_many_workers_find_together(two: Two) -> None:
    ann, deal, runtimes = two
    ids = [deal.id_owned_by(name, f"child-{number}") for number, name in enumerate([*runtimes, *runtimes])]
    begun = await ann.ask("start.family", [ids])

    assert (await ann.ask(f"run.{begun['run']}.result"))["result"] == [2, 3, 4, 5]


async def test_a_request_waits_for_a_run_that_changes_hands(two: Two) -> None:
    ann, deal, runtimes = two
    first, second = runtimes
    id = deal.id_owned_by(first)
    await ann.ask("start.order", Perdure_Run_Id=id)
    owners, deal.owners = deal.owners, dict.fromkeys(deal.owners)
    asked = [asyncio.create_task(ann.ask(f"run.{id}.update.put", [1], Perdure_Command_Id=f"ann/{n}")) for n in range(8)]
    await anyio.sleep(0.1)
    assert not any(task.done() for task in asked)
    deal.owners = dict.fromkeys(owners, second)

    assert sorted([(await task)["result"] for task in asked]) == list(range(1, 9))


async def test_a_worker_that_is_gone_is_said_to_be_away_at_once(nats_server: NatsServer, namespace: str, log: MemoryLog) -> None:
    deal = Deal("a", "b")
    async with worker(nats_server.url, namespace, "a", deal, log) as (runtime, way, _):
        id = deal.id_owned_by("b")
        with anyio.fail_after(1), pytest.raises(Unavailable, match="nobody listens"):
            await way.ask("b", b"", 10)
        with pytest.raises(Unavailable, match="does not answer"):
            await runtime.run(id).query("numbers", within=PATIENCE / 50)


async def test_what_is_too_large_for_the_road_is_refused_and_says_so(two: Two) -> None:
    _, deal, runtimes = two
    first, second = runtimes
    with pytest.raises(perdure.TooLarge, match="max_payload"):
        await runtimes[first].run(deal.id_owned_by(second)).signal("word", "x" * 2_000_000)


async def test_a_letter_that_makes_no_sense_is_answered(two: Two) -> None:
    ann, _, runtimes = two
    subject: Callable[[str], str] = Road(Connection(), ann.root.split(".")[1], "", lambda stream: None).subject
    for letter in (b"", b"{", b'{"request":"x"}', b"[" * 100_000):
        message = await ann.client.request(subject(next(iter(runtimes))), letter, timeout=5)

        assert b'"invalid"' in message.data
