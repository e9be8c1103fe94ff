"""Fences on a real server: one claimant wins, epochs never fall, a lost acknowledgement is looked up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from perdure.adapters.nats.owning.fences import Fence, Fences
from perdure.adapters.nats.wire.buckets import FENCES, prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Corrupt
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@asynccontextmanager
async def opened(url: str, namespace: str) -> AsyncGenerator[Fences]:
    async with connect(url) as connection:
        store = Store(connection, Subjects(namespace, 8), answer_timeout=0.3)
        await prepare(store, [FENCES])
        yield Fences(store)


async def test_a_claim_is_the_newest_word_on_its_partition(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as fences:
        assert await fences.of(3) == Fence(3)

        claimed = await fences.claim(Fence(3), "ann")

        assert claimed is not None
        assert (claimed.owner, claimed.epoch) == ("ann", 1)
        assert await fences.of(3) == claimed
        assert await fences.all() == [claimed if partition == 3 else Fence(partition) for partition in range(8)]


async def test_who_claims_after_an_older_word_loses(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as fences:
        first = await fences.claim(Fence(0), "ann")

        assert first is not None
        assert await fences.claim(Fence(0), "bob") is None
        second = await fences.claim(first, "bob")
        assert second is not None
        assert second.epoch == 2
        assert await fences.release(first) is None


async def test_a_released_partition_is_claimed_with_a_higher_epoch(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as fences:
        held = await fences.claim(Fence(0), "ann", epoch=41)
        assert held is not None
        free = await fences.release(held)

        assert free is not None
        assert (free.owner, free.epoch) == ("", 41)
        again = await fences.claim(free, "ann")
        assert again is not None
        assert again.epoch == 42


async def test_of_twenty_claimants_exactly_one_wins(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as fences, opened(nats_server.url, namespace) as others:
        claims = [(fences, others)[number % 2].claim(Fence(1), f"worker-{number}") for number in range(20)]
        won = [claim for claim in await asyncio.gather(*claims) if claim is not None]

        assert len(won) == 1
        assert await fences.of(1) == won[0]


async def test_a_claim_whose_acknowledgement_was_lost_is_still_known_as_ours(nats_server: NatsServer, namespace: str) -> None:
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as fences:
        proxy.lose_answer(mark=b'_FENCES","seq":')
        claimed = await fences.claim(Fence(2), "ann")

        assert proxy.lost.is_set()
        assert claimed == await fences.of(2)


async def test_what_is_no_claim_is_corrupt(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as fences:
        await fences.store.publish("FENCES", fences.store.subjects.leaf("fence", 5), b"mine!")

        with pytest.raises(Corrupt, match="holds no claim"):
            await fences.of(5)
