"""Who died before we came is known at once: by the beats that the server keeps, and nobody listening any more."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import pytest
from nats.aio.msg import Msg

from perdure.adapters.nats.owning import presence
from perdure.adapters.nats.owning.fences import Fences
from perdure.adapters.nats.owning.presence import BEAT_SECONDS, Beat, Presence, encode
from perdure.adapters.nats.wire.buckets import ALIVE, FENCES, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.memory import MemoryLog
from tests.adapters.nats.server import NatsServer
from tests.adapters.nats.test_ownership import PARTITIONS, flows, namespace, worker
from tests.laws.node import Bench, until

pytestmark = pytest.mark.anyio

__all__ = ["namespace"]

LONG = 3600.0


@pytest.mark.parametrize("seconds", [2 * LONG, BEAT_SECONDS])
async def test_who_was_silent_before_we_came_is_dead_once_nobody_listens(
    nats_server: NatsServer, namespace: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "GONE_SECONDS", LONG)
    monkeypatch.setattr(presence, "SILENT_SECONDS", LONG)
    probed: list[str] = []
    async with connect(nats_server.url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS))
        await prepare(store, [ALIVE])
        ann = Presence(connection, store.subjects, "ann", revive=partial(prepare, store, [ALIVE]))
        ask = connection.ask

        async def counted(subject: str, body: bytes, headers: dict[str, str] | None = None, *, within: float) -> Msg:
            probed.extend([subject] if ".probe." in subject else [])
            return await ask(subject, body, headers, within=within)

        monkeypatch.setattr(connection, "ask", counted)
        ann.expect(["bob"])
        ann.missed("bob", seconds)
        serving = asyncio.create_task(ann.serve())
        await until(lambda: len(probed) > 2 or not ann.is_alive("bob"))
        serving.cancel()

        assert ann.is_alive("bob") == (seconds < LONG)


async def test_who_joins_learns_how_old_the_newest_beats_of_owners_are(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, float] = {}

    def missed(_: Presence, who: str, seconds: float) -> None:
        told[who] = seconds

    monkeypatch.setattr(Presence, "missed", missed)
    async with connect(nats_server.url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS))
        await prepare(store, [FENCES, ALIVE])
        await Fences(store).claim_all(await Fences(store).all(), "bob")
        await connection.ask(f"perdure.{namespace}.alive.bob", encode(Beat("bob")), {"Nats-TTL": "60"}, within=5.0)
        await anyio.sleep(0.1)
        async with worker(nats_server.url, namespace, "ann", MemoryLog(), flows(Bench())) as ann:
            assert ann.count == PARTITIONS  # it does not say that it serves before it knows that bob is gone

    assert 0.1 <= told["bob"] < LONG
    assert told["ann"] == 0
