"""Workers in one process that share the partitions of one log by fences on a real server; the log itself is in memory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
import pytest

import perdure
from perdure import step, workflow
from perdure.adapters.nats.owning import ownership as ownership_module
from perdure.adapters.nats.owning import presence as presence_module
from perdure.adapters.nats.owning.fences import Fence, Fences
from perdure.adapters.nats.owning.ownership import Partitions
from perdure.adapters.nats.owning.presence import Presence
from perdure.adapters.nats.wire.buckets import ALIVE, FENCES, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.errors import Corrupt
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.run.events import CODEC
from perdure.runtime.settings.node import Settings
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer
from tests.laws.node import Bench, until

pytestmark = pytest.mark.anyio

PARTITIONS = 16


class Kept:
    """What a carrier would keep of the partitions."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.let: list[int] = []
        self.dropped: list[int] = []
        self.damage: Corrupt | None = None
        self.tries: list[float] = []
        """When something was to be taken though it is damaged."""

    async def begin(self, fences: Sequence[Fence], *, after: Sequence[Fence] = ()) -> None:
        if self.damage is not None:
            self.tries.append(time.monotonic())
            raise self.damage
        self.taken += [fence.partition for fence in fences]

    async def fill(self, partitions: Iterable[int]) -> None: ...

    async def flush(self) -> None: ...

    async def let_go(self, partitions: Iterable[int]) -> None:
        self.let += partitions

    def drop(self, partitions: Iterable[int]) -> None:
        self.dropped += partitions


class Worker:
    """A runtime with its ownership."""

    def __init__(self, runtime: Runtime, ownership: Partitions, keeping: Kept) -> None:
        self.runtime = runtime
        self.ownership = ownership
        self.keeping = keeping

    @property
    def count(self) -> int:
        return len(self.ownership.served)


@asynccontextmanager
async def worker(url: str, namespace: str, name: str, log: MemoryLog, *workflows: Any, seconds: float = 5.0) -> AsyncGenerator[Worker]:
    async with connect(url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS), answer_timeout=0.5, patience=2.0)
        await prepare(store, [FENCES, ALIVE])
        keeping = Kept()
        presence = Presence(connection, store.subjects, name, revive=partial(prepare, store, [ALIVE]))
        ownership = Partitions(Fences(store), presence, keeping, hand_over_seconds=seconds)
        runtime = Runtime(
            log.carrier(), workflows, clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=ownership,
            settings=Settings(drain_seconds=0.0),
        )  # fmt: skip
        async with runtime.serving(), ownership.serving(runtime):
            yield Worker(runtime, ownership, keeping)


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


def flows(bench: Bench) -> Any:
    @step
    async def slow() -> str:
        return await bench.held("slow")

    @workflow
    async def once() -> str:
        return await slow()

    return once


def run_of(part_of: Callable[[str], int], parts: Iterable[int]) -> str:
    """An id of a run in one of these partitions."""
    wanted = set(parts)
    return next(f"r{n}" for n in range(1000) if part_of(stream_of("run", "default", f"r{n}")) in wanted)


def epochs(log: MemoryLog, run: str) -> list[int]:
    return [CODEC.decode(record.data).epoch for record in log.streams[stream_of("run", "default", run)]]


async def test_one_worker_has_all_and_serves_at_once(nats_server: NatsServer, namespace: str) -> None:
    bench, log = Bench(), MemoryLog()
    flow = flows(bench)
    bench.go.set()
    async with worker(nats_server.url, namespace, "ann", log, flow) as ann:
        assert ann.count == PARTITIONS
        assert sorted(ann.keeping.taken) == list(range(PARTITIONS))
        assert await (await ann.runtime.start(flow)).result() == "slow"
    assert sorted(ann.keeping.let) == list(range(PARTITIONS))
    assert ann.ownership.releases == PARTITIONS


async def test_partitions_that_cannot_be_taken_are_claimed_less_and_less_often(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause, log = 0.1, MemoryLog()
    monkeypatch.setattr(ownership_module, "FIRST_PAUSE", pause)
    async with worker(nats_server.url, namespace, "ann", log) as ann:
        async with worker(nats_server.url, namespace, "bob", log) as bob:
            await until(lambda: ann.count == bob.count == PARTITIONS // 2)
            ann.keeping.damage = Corrupt("cut")
        await until(lambda: len(ann.keeping.tries) == 3)
        first, second, third = ann.keeping.tries
        ann.keeping.damage = None
        await until(lambda: ann.count == PARTITIONS)

    assert (second - first >= pause, third - second >= 2 * pause) == (True, True)


async def test_who_joins_gets_its_share_and_who_leaves_gives_it_back(nats_server: NatsServer, namespace: str) -> None:
    log = MemoryLog()
    async with worker(nats_server.url, namespace, "ann", log) as ann:
        async with worker(nats_server.url, namespace, "bob", log) as bob:
            await until(lambda: ann.count == bob.count == PARTITIONS // 2)
            async with worker(nats_server.url, namespace, "cyd", log) as cyd:
                await until(lambda: sorted([ann.count, bob.count, cyd.count]) == [5, 5, 6])
                await until(lambda: {ann.ownership.owner_of(f"run/default/r{n}") for n in range(200)} == {"ann", "bob", "cyd"})
            await until(lambda: ann.count == bob.count == PARTITIONS // 2)
        await until(lambda: ann.count == PARTITIONS)
        assert ann.ownership.takeovers == 0
        assert not ann.keeping.dropped


async def test_a_fence_that_is_older_than_one_of_our_own_is_read_all_the_same(nats_server: NatsServer, namespace: str) -> None:
    async with worker(nats_server.url, namespace, "ann", MemoryLog()) as ann:
        fences, before = ann.ownership.fences, ann.ownership.served[0]
        taken = await fences.claim(await fences.of(0), "zed")
        released = await fences.release(await fences.of(5))
        assert taken is not None
        assert released is not None
        ann.ownership.learnt([released])
        ann.ownership.presence.suspect(0)
        await until(lambda: ann.ownership.served.get(0, 0) > before + 1 and ann.count == PARTITIONS)


async def test_a_step_that_runs_keeps_its_partition_until_it_has_ended(nats_server: NatsServer, namespace: str) -> None:
    bench, log = Bench(), MemoryLog()
    flow = flows(bench)
    async with AsyncExitStack() as stack:
        ann = await stack.enter_async_context(worker(nats_server.url, namespace, "ann", log, flow))
        runs = [await ann.runtime.start(flow, id=run_of(ann.ownership.part_of, [part])) for part in range(PARTITIONS)]
        await until(lambda: len(bench.attempts) == PARTITIONS)
        bob = await stack.enter_async_context(worker(nats_server.url, namespace, "bob", log, flow))
        await until(lambda: bob.ownership.presence.alive() == {"ann", "bob"})
        await anyio.sleep(0.3)
        assert (ann.count, bob.count) == (PARTITIONS, 0)
        bench.go.set()
        for run in runs:
            await until(lambda run=run: log.summaries[stream_of("run", "default", run.id)].head.status == "completed")  # type: ignore[misc]
        await until(lambda: ann.count == bob.count == PARTITIONS // 2)
    assert bench.count() == [1] * PARTITIONS


async def test_a_worker_that_ends_without_a_word_is_replaced_and_its_steps_run_again(nats_server: NatsServer, namespace: str) -> None:
    bench, log = Bench(), MemoryLog()
    flow = flows(bench)
    async with (
        worker(nats_server.url, namespace, "ann", log, flow) as ann,
        proxied(nats_server.port) as proxy,
        worker(proxy.url, namespace, "bob", log, flow, seconds=0.0) as bob,
    ):
        await until(lambda: ann.count == bob.count == PARTITIONS // 2)
        run = run_of(bob.ownership.part_of, bob.ownership.served)
        await bob.runtime.start(flow, id=run)
        await until(lambda: bench.begun)
        cut = asyncio.get_running_loop().time()
        proxy.cut()
        await until(lambda: ann.count == PARTITIONS)
        taken = asyncio.get_running_loop().time() - cut
        await until(lambda: len(bench.attempts) == 1 and bench.count() == [2])
        bench.go.set()
        assert await ann.runtime.run(run).result() == "slow"
        assert taken < 2.0
    assert epochs(log, run) == sorted(epochs(log, run))
    assert ann.ownership.takeovers == PARTITIONS // 2


async def test_a_worker_whose_link_is_silent_begins_nothing_from_its_deadline_on(nats_server: NatsServer, namespace: str) -> None:
    bench, log, loop = Bench(), MemoryLog(), asyncio.get_running_loop()
    flow = flows(bench)
    async with (
        worker(nats_server.url, namespace, "ann", log, flow) as ann,
        proxied(nats_server.port) as proxy,
        worker(proxy.url, namespace, "bob", log, flow, seconds=0.0) as bob,
    ):
        await until(lambda: ann.count == bob.count == PARTITIONS // 2)
        proxy.still = True
        silent = loop.time()
        await until(lambda: not bob.ownership.is_sure)
        assert loop.time() - silent <= presence_module.SURE_SECONDS + 0.1
        run = run_of(bob.ownership.part_of, bob.ownership.served)
        async with anyio.create_task_group() as group:

            async def start() -> None:
                with pytest.raises(perdure.Unavailable):
                    await bob.runtime.start(flow, id=run)

            group.start_soon(start)
            await until(lambda: ann.count == PARTITIONS)
            assert loop.time() - silent <= presence_module.SILENT_SECONDS + 1.0
            assert not bench.begun
            proxy.still = False
            await until(lambda: bob.ownership.is_sure)
        assert not bench.begun
        await until(lambda: ann.count == bob.count == PARTITIONS // 2)


async def test_a_short_outage_of_the_server_costs_nobody_a_partition_or_a_step(tmp_path: Any, namespace: str) -> None:
    from tests.adapters.nats.server import running

    bench, log = Bench(), MemoryLog()
    flow = flows(bench)
    with running(tmp_path) as server:
        async with worker(server.url, namespace, "ann", log, flow) as ann, worker(server.url, namespace, "bob", log, flow) as bob:
            await until(lambda: ann.count == bob.count == PARTITIONS // 2)
            run = await ann.runtime.start(flow, id=run_of(ann.ownership.part_of, ann.ownership.served))
            await until(lambda: bench.begun)
            before = dict(ann.ownership.served), dict(bob.ownership.served)
            server.kill()
            await until(lambda: not ann.ownership.is_sure and not bob.ownership.is_sure)
            server.start()
            await until(lambda: ann.ownership.is_sure and bob.ownership.is_sure)
            bench.go.set()
            assert await run.result() == "slow"
            await anyio.sleep(presence_module.BEAT_SECONDS + ownership_module.LOOKS_EVERY)
            assert (dict(ann.ownership.served), dict(bob.ownership.served)) == before
    assert bench.count() == [1]


async def test_a_service_that_breaks_is_begun_anew(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("perdure.adapters.nats.wire.lasting.PAUSE", 0.01)
    since, asked = Fences.since, list[int]()

    async def breaks_at_first(self: Fences, sequence: int) -> list[Fence]:
        asked.append(sequence)
        if len(asked) == 1:
            raise ZeroDivisionError
        return await since(self, sequence)

    monkeypatch.setattr(Fences, "since", breaks_at_first)
    with caplog.at_level(logging.CRITICAL, "perdure.nats"):
        async with worker(nats_server.url, namespace, "ann", MemoryLog()) as ann:
            await until(lambda: ann.count == PARTITIONS)

    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
