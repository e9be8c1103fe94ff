"""While some group of servers has no leader: what is waited for is the log's own election, and no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from perdure.adapters.nats.owning import ownership, presence
from perdure.adapters.nats.owning.fences import Fence, Fences
from perdure.adapters.nats.owning.presence import Presence
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.wire.buckets import ALIVE, LOG, PARTITIONS, config_of, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Conflict
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Record, sealed
from tests.adapters.nats.server import NatsServer, running
from tests.adapters.nats.test_log import namespace
from tests.adapters.nats.test_ownership import flows, worker
from tests.eventlog.making import PATIENCE, STREAM, content, grown
from tests.laws.node import Bench, until

pytestmark = pytest.mark.anyio

__all__ = ["namespace"]

USERS = """authorization { users = [
    { user: all, password: a },
    { user: few, password: f, permissions: { publish: { allow: ">", deny: "$JS.API.STREAM.MSG.GET.>" } } } ] }"""
"""JetStream's API tells the second of them nothing about messages, as it tells nobody while the servers' own group has no leader."""


@asynccontextmanager
async def logs(tmp_path: Path, namespace: str) -> AsyncGenerator[tuple[JetStreamLog, JetStreamLog]]:
    """One log, by somebody who may ask everything, and by somebody who may not ask the API for messages."""
    with running(tmp_path, USERS) as server:
        all_, few = (server.url.replace("//", f"//{who}@") for who in ("all:a", "few:f"))
        async with (
            connect(all_) as one,
            connect(few) as other,
            JetStreamLog.open(one, namespace) as free,
            JetStreamLog.open(other, namespace) as bound,
        ):
            yield free, bound


async def test_no_append_asks_the_api_where_its_stream_ends(tmp_path: Path, namespace: str) -> None:
    async with logs(tmp_path, namespace) as (free, bound):
        tail = await grown(bound, STREAM, 1)
        bound.store.connection.losses += 1  # whoever lost its connection knows no ends of streams
        first = sealed(STREAM, tail, content(2), 1)
        assert await bound.append([first]) == [first.tail]

        overtaking = sealed(STREAM, first.tail, content(3), 1)
        assert await free.append([overtaking]) == [overtaking.tail]
        (answer,) = await bound.append([sealed(STREAM, first.tail, content(4), 1)])
        assert isinstance(answer, Conflict)
        assert f"version {overtaking.tail.version}" in answer.found
        assert await bound.committer.ending.tails_of([STREAM, "run/default/none"]) == {STREAM: overtaking.tail}


async def test_a_replica_that_lags_behind_is_not_believed_where_a_stream_ends(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(nats_server.url) as connection, JetStreamLog.open(connection, namespace) as log:
        tail = await grown(log, STREAM, 3)

        async def nothing(*_: object) -> None:
            return None

        async def none(*_: object) -> dict[int, object]:
            return {}

        monkeypatch.setattr(log.store, "newest", nothing)
        monkeypatch.setattr(log.store, "at", none)
        log.committer.places.forget()
        after = sealed(STREAM, tail, content(4), 1)

        assert await log.append([after]) == [after.tail]
        assert await log.committer.ending.tails_of([STREAM]) == {STREAM: after.tail}


async def test_what_nobody_stores_is_stored_as_soon_as_somebody_does(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(nats_server.url) as connection, JetStreamLog.open(connection, namespace) as log:
        bucket = log.store.subjects.bucket
        await log.store.call(f"STREAM.DELETE.{bucket}", {})
        appends = [sealed(f"run/default/{number}", EMPTY, content(1), 1) for number in range(3)]
        asked, ask_behind = list[str](), log.committer.ending.behind

        async def counted(stream: str, sequence: int) -> Record | None:
            asked.append(stream)
            return await ask_behind(stream, sequence)

        monkeypatch.setattr(log.committer.ending, "behind", counted)
        began, led, found = time.monotonic(), list[float](), list[float]()

        async def store() -> None:
            assert await log.append(appends) == [append.tail for append in appends]
            found.append(time.monotonic() - began)

        async with anyio.create_task_group() as group:
            group.start_soon(store)
            await anyio.sleep(0.3)
            assert not found
            await log.store.call(f"STREAM.CREATE.{bucket}", config_of(log.store.subjects, LOG, 1))
            led.append(time.monotonic() - began)
        assert found[0] - led[0] < 1.0
        assert not asked  # to send it again says what became of it


async def test_beats_are_heard_while_nobody_keeps_them(nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.05)
    revived: list[int] = []

    async def in_vain() -> None:
        revived.append(1)
        await asyncio.Event().wait()

    async with connect(nats_server.url) as one, connect(nats_server.url) as other:
        subjects = Subjects(namespace, PARTITIONS)
        await prepare(Store(one, subjects), [ALIVE])
        ann, bob = Presence(one, subjects, "ann", revive=in_vain), Presence(other, subjects, "bob", revive=in_vain)
        await Store(one, subjects).call(f"STREAM.DELETE.{subjects.bucket_of('ALIVE')}", {})
        for each in (ann, bob):
            await each.open()
        services = [asyncio.create_task(each.serve()) for each in (ann, bob)]
        await until(lambda: bob.is_alive("ann"))
        one.losses += 1
        await until(lambda: bool(revived))
        heard = bob._others["ann"].heard

        await until(lambda: bob._others["ann"].heard > heard + 0.2)
        for service in services:
            service.cancel()
        await asyncio.wait(services)


def unheard(_: float) -> None: ...


async def test_in_doubt_turns_are_taken_and_steps_begin_once_a_majority_and_the_others_were_heard(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beats have no leader, nor have the fences; then the log has one, and what it acknowledges counts."""
    bench = Bench()
    flow = flows(bench)
    async with worker(nats_server.url, namespace, "ann", MemoryLog(), flow) as ann:
        owning = ann.ownership
        await until(lambda: owning.presence.stands_for > ownership.AWAKE_SECONDS)

        async def no_leader(fences: Fences, sequence: int) -> list[Fence]:
            return await asyncio.Future[list[Fence]]()

        monkeypatch.setattr(Fences, "since", no_leader)
        monkeypatch.setattr(owning.presence, "acknowledged", unheard)
        await until(lambda: not owning.is_sure)

        with anyio.fail_after(PATIENCE):
            run = await ann.runtime.start(flow)
        assert await run.status() == "running"
        assert not owning.is_sure
        assert not bench.begun

        monkeypatch.setattr(owning.presence, "acknowledged", owning._acknowledged)
        reached = time.monotonic()
        owning.presence.reached(reached)
        await until(lambda: bool(bench.begun))
        assert time.monotonic() - reached >= ownership.HEARD_SECONDS
        bench.go.set()
