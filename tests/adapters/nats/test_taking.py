"""Taking over in two steps: what serves requests first, then who is to be woken; and reading the log in one question or in many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from perdure.adapters.nats.owning.fences import Fences
from perdure.adapters.nats.views import index, keeper, taking
from perdure.adapters.nats.views.anchors import anchor_in
from perdure.adapters.nats.views.index import Part
from perdure.adapters.nats.wire.messages import Message
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Unavailable
from tests.adapters.nats.server import NatsServer
from tests.adapters.nats.test_keeper import PARTITIONS, Node, namespace, next_of, node, opening
from tests.eventlog.making import accepted

pytestmark = pytest.mark.anyio

__all__ = ["namespace"]

COUNT = 20


async def begun(one: Node) -> None:
    """Take everything, without knowing yet who is to be woken."""
    fences = Fences(one.store)
    found = await fences.all()
    one.held = [claim for claim in await fences.claim_all(found, one.owner) if claim is not None]
    await one.keeper.begin(one.held, after=found)


@pytest.mark.parametrize("is_written", [False, True])
async def test_what_changes_before_the_wake_ups_are_read_is_newer_than_they_are(
    nats_server: NatsServer, namespace: str, is_written: bool
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        appends = [opening(number, 10 + number) for number in range(COUNT)]
        await accepted(ann.log, appends)
        await ann.keeper.flush()
        await begun(bob)
        assert await bob.due() == []
        await accepted(bob.log, [next_of(appends[0], None), next_of(appends[1], 500), next_of(appends[2], None)])
        if is_written:
            await bob.keeper.flush()

        await bob.keeper.fill(range(PARTITIONS))

        expected = [(append.stream, 1) for append in appends[3:]] + [(appends[1].stream, 2)]
        assert await bob.due() == expected
        await bob.keeper.flush()
        await ann.claim()
        assert await ann.due() == expected  # no view has kept what ended


async def test_wake_ups_that_cannot_be_read_are_tried_again_as_long_as_the_partitions_are_ours(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await accepted(ann.log, [opening(number, 7) for number in range(COUNT)])
        await ann.keeper.flush()
        await begun(bob)
        monkeypatch.setattr(keeper, "EVERY", 0.01)
        tries: list[int] = []

        def away(store: Store, parts: Mapping[int, Part]) -> AsyncIterator[list[tuple[Part, Message]]]:
            tries.append(len(parts))
            if len(tries) < 3:
                raise Unavailable("away")
            return taking.wakes(store, parts)

        monkeypatch.setattr("perdure.adapters.nats.views.keeper.wakes", away)
        await bob.keeper.fill(range(PARTITIONS))

        assert tries == [PARTITIONS] * 3
        assert len(await bob.due()) == COUNT
        bob.keeper.drop(range(PARTITIONS))
        await bob.keeper.fill(range(PARTITIONS))
        assert await bob.due() == []


@pytest.mark.parametrize("together_max", [0, 10_000])
async def test_a_log_is_read_in_one_question_or_in_many_to_the_same_end(
    nats_server: NatsServer, namespace: str, together_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "TOGETHER_MAX", together_max)
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        appends = [opening(number, 1 + number) for number in range(COUNT)]
        await accepted(ann.log, appends)
        await ann.keeper.flush()
        await accepted(ann.log, [next_of(append, None if number % 2 else 100 + number) for number, append in enumerate(appends[:10])])
        await bob.claim()

        assert await bob.due() == await ann.due() != []
        assert {one.stream for one in bob.index.fresh()} == {append.stream for append in appends[:10]}


async def test_the_anchor_of_a_partition_that_stands_still_follows_the_log(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BEHIND_MAX", 10)
    async with node(nats_server.url, namespace) as ann:
        busy = ann.store.subjects.partition_of("run/default/0")
        others = set(range(PARTITIONS)) - {busy}
        appends = [one for one in (opening(number, None) for number in range(200)) if ann.store.subjects.partition_of(one.stream) == busy]
        for count in (5, 20):
            await accepted(ann.log, appends[:count])
            await ann.keeper.flush()
            appends = appends[count:]
        anchors = await ann.store.everything("ANCHORS", f"perdure.{namespace}.anchor.*")

        assert sorted(int(one.subject.rpartition(".")[2]) for one in anchors) == sorted([busy, busy, *others])
        assert {anchor_in(one).through for one in anchors if int(one.subject.rpartition(".")[2]) in others} == {25}
