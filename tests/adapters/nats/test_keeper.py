"""The index and its views on a real server: nothing with a wake-up is ever forgotten, whoever dies when; a zombie writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from perdure.adapters.nats.owning.fences import Fence, Fences
from perdure.adapters.nats.records.headlines import summary_in
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.views import index
from perdure.adapters.nats.views.anchors import Anchor, anchor_in
from perdure.adapters.nats.views.heads import JetStreamHeads
from perdure.adapters.nats.views.index import Index, Part
from perdure.adapters.nats.views.keeper import LOOKS, Keeper
from perdure.adapters.nats.views.order import Order
from perdure.adapters.nats.views.quiet import ANCHORS_BEFORE
from perdure.adapters.nats.wire.buckets import prepare
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Unavailable
from perdure.eventlog.log import Summary
from perdure.eventlog.records import EMPTY, Append, Head, Tail, sealed
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer
from tests.eventlog.making import accepted, content, head

pytestmark = pytest.mark.anyio

PARTITIONS = 4


class Node:
    """A worker without a runtime: it writes to its views only when told."""

    def __init__(self, store: Store, owner: str) -> None:
        self.store = store
        self.owner = owner
        self.index = Index(store.subjects)
        self.lost: list[int] = []
        self.keeper = Keeper(store, self.index, self.lost.append)
        self.log = JetStreamLog(store, self.index)
        self.heads = JetStreamHeads(store, self.index, self.keeper)
        self.held: list[Fence] = []

    async def claim(self) -> None:
        """Take everything, whoever has it."""
        fences = Fences(self.store)
        found = await fences.all()
        self.held = [claim for fence in found if (claim := await fences.claim(fence, self.owner)) is not None]
        await self.keeper.take(self.held, after=found)

    async def due(self) -> list[tuple[str, int]]:
        return [(one.stream, one.tail.version) for one in await self.heads.due(2**62)]


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@asynccontextmanager
async def node(url: str, namespace: str, owner: str = "ann", *, claims: bool = True) -> AsyncGenerator[Node]:
    async with connect(url) as connection:
        store = Store(connection, Subjects(namespace, PARTITIONS), answer_timeout=0.3)
        await prepare(store)
        one = Node(store, owner)
        if claims:
            await one.claim()
        try:
            yield one
        finally:
            await one.log.committer.close()


def opening(number: int, wake_at: int | None) -> Append:
    return sealed(f"run/default/{number}", EMPTY, content(1), 1, head(wake_at=wake_at))


def next_of(append: Append, wake_at: int | None) -> Append:
    return sealed(append.stream, append.tail, content(2), 1, head(wake_at=wake_at))


@pytest.mark.parametrize("flushes", [(), ("first",), ("second",), ("first", "second")])
async def test_a_successor_knows_every_wake_up_whatever_was_flushed(
    nats_server: NatsServer, namespace: str, flushes: Sequence[str]
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        appends = [opening(number, None if number % 3 == 0 else number) for number in range(30)]
        await accepted(ann.log, appends)
        if "first" in flushes:
            await ann.keeper.flush()
        later = [next_of(append, None if number % 3 == 1 else 100 + number) for number, append in enumerate(appends[:20])]
        await accepted(ann.log, later)
        if "second" in flushes:
            await ann.keeper.flush()
        await bob.claim()

        assert await bob.due() == await ann.due() != []
        assert await bob.heads.all() == await ann.heads.all()
        assert [await bob.heads.get(append.stream) for append in appends] == [await ann.heads.get(append.stream) for append in appends]


async def test_what_is_live_is_written_to_the_views_after_a_while_and_a_successor_finds_it_before(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def viewed(part: str, tree: str) -> list[int]:
        found = [await ann.store.last(part, ann.store.subjects.of(one.stream, tree)) for one in appends]
        return [number for number, message in enumerate(found) if message is not None]

    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        appends = [opening(number, 0) for number in range(6)]
        await accepted(ann.log, appends)
        await ann.keeper.flush()
        assert (await viewed("HEADS", "head"), await viewed("WAKE", "wake")) == ([], [])
        written = await anchors(ann.store)
        assert max(anchor.reached for anchor in written) == len(appends) > max(anchor.through for anchor in written)
        await accepted(ann.log, [next_of(appends[0], None), next_of(appends[1], 7)])
        await ann.keeper.flush()
        assert (await viewed("HEADS", "head"), await viewed("WAKE", "wake")) == ([0, 1], [1])

        await bob.claim()
        assert await bob.due() == await ann.due() != []
        assert await bob.heads.all() == await ann.heads.all()

        await bob.keeper.flush()
        monkeypatch.setattr(index, "YOUNG_SECONDS", 0.0)
        await accepted(bob.log, [sealed("run/default/7", EMPTY, content(1), 1, head(wake_at=0))])
        appends.append(opening(7, 0))
        await bob.keeper.flush()
        assert await viewed("HEADS", "head") == list(range(7))
        assert await viewed("WAKE", "wake") == list(range(1, 7))


async def test_a_takeover_reads_none_of_the_records_that_the_views_know(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await accepted(ann.log, [opening(number, None) for number in range(50)])
        await accepted(ann.log, [opening(99, 7)])
        await ann.keeper.flush()
        await bob.claim()

        assert await bob.due() == [("run/default/99", 1)]
        assert list(bob.index.fresh()) == []


async def test_a_zombie_that_flushes_late_is_refused_and_learns_that_it_lost(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        append = opening(1, 5)
        await accepted(ann.log, [append])
        await bob.claim()
        await accepted(bob.log, [next_of(append, None)])
        await bob.keeper.flush()
        await ann.keeper.flush()

        assert ann.lost == [ann.store.subjects.partition_of(append.stream)]
        assert await ann.due() == []
        found = await bob.heads.get(append.stream)
        assert found is not None
        assert found.tail.version == 2


async def test_what_a_zombie_appends_late_is_found_when_its_successor_looks_again(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await bob.claim()
        assert {len(part.looks) for part in bob.index.parts.values()} == {len(LOOKS)}
        await accepted(ann.log, [opening(1, 5)])
        assert await bob.due() == []
        for part in bob.index.parts.values():
            part.looks = [0.0]
        await bob.keeper.flush()

        assert await bob.due() == [("run/default/1", 1)]


async def test_who_was_let_go_of_is_not_looked_at_again(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await accepted(ann.log, [opening(1, 5)])
        await ann.keeper.let_go(range(PARTITIONS))
        for fence in ann.held:
            await Fences(ann.store).release(fence)
        await bob.claim()

        assert await bob.due() == [("run/default/1", 1)]
        assert [part.looks for part in bob.index.parts.values()] == [[]] * PARTITIONS


async def test_who_lets_go_waits_for_what_is_under_way_and_writes_nothing(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        first, second = opening(1, 5), next_of(opening(1, 5), 9)
        await accepted(ann.log, [first])
        monkeypatch.setattr(ann.keeper, "flush", None)
        ann.index.begun([second])
        going = asyncio.create_task(ann.keeper.let_go(range(PARTITIONS)))
        await asyncio.sleep(0.02)
        assert not going.done()
        assert ann.index.parts
        ann.index.unstored(second, certain=True)
        await going
        for fence in ann.held:
            await Fences(ann.store).release(fence)
        await bob.claim()

        assert ann.index.parts == {}
        assert await bob.due() == [("run/default/1", 1)]
        assert [one.stream for one in bob.index.fresh()] == ["run/default/1"]


async def test_an_append_in_doubt_is_read_again_and_anchors_wait_for_it(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(stream: str, sequence: int) -> None:
        raise ann.store.unavailable("away")

    async with proxied(nats_server.port) as proxy, node(proxy.url, namespace) as ann:
        monkeypatch.setattr(ann.log.committer.ending, "behind", away)
        append = opening(1, 5)
        proxy.lose_answer()
        with pytest.raises(Unavailable):
            await ann.log.append([append])
        before = ann.index.settled()
        await accepted(ann.log, [opening(2, None)])

        assert ann.index.settled() == before
        assert await ann.due() == []
        await ann.keeper.flush()
        assert await ann.due() == [(append.stream, 1)]
        assert ann.index.settled() > before


def test_what_is_read_late_of_a_part_that_was_lost_is_not_to_be_woken_here() -> None:
    index, summary = Index(Subjects("shop", 1)), Summary("run/default/late", Tail(1, b""), head(wake_at=0))
    lost, won_anew = Part(Fence(0, "ann", 1)), Part(Fence(0, "ann", 3))
    index.add(lost)
    index.drop(0)
    index.lay(lost, summary)
    assert index.due(1, None, 10) == []
    index.add(won_anew)
    index.lay(lost, summary)
    assert index.due(1, None, 10) == []
    index.lay(won_anew, summary)
    assert index.due(1, None, 10) == [summary]


async def test_anchors_say_how_far_streams_were(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann:
        append = opening(1, 5)
        await accepted(ann.log, [append])
        await ann.keeper.flush()
        partition = ann.store.subjects.partition_of(append.stream)
        (message,) = await ann.store.everything("ANCHORS", ann.store.subjects.leaf("anchor", partition))

        anchor = anchor_in(message)
        assert (anchor.owner, anchor.epoch, anchor.through) == ("ann", 1, 1)
        assert anchor.tails == {append.stream: (1, append.tail.digest.hex())}


@pytest.mark.parametrize("is_taken_over", [False, True])
async def test_the_view_vouches_for_a_record_that_changed_no_head_before_its_anchor_is_gone(
    nats_server: NatsServer, namespace: str, is_taken_over: bool
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        one, headless = opening(1, None), sealed("limit/default/1", EMPTY, content(1), 1)
        partition = ann.store.subjects.partition_of(one.stream)
        silent = sealed(one.stream, one.tail, content(2), 1)
        await accepted(ann.log, [one, headless])
        await ann.keeper.flush()
        await accepted(ann.log, [silent])
        await ann.keeper.flush()
        assert await written_head(ann.store, one.stream) == Summary(one.stream, one.tail, head(wake_at=None))
        if is_taken_over:
            await bob.claim()
        keeper = bob if is_taken_over else ann
        others = [append for append in (opening(number, None) for number in range(2, 200))
                  if ann.store.subjects.partition_of(append.stream) == partition]  # fmt: skip
        for other in others[: ANCHORS_BEFORE + 1]:
            await accepted(keeper.log, [other])
            await keeper.keeper.flush()

        assert await written_head(ann.store, one.stream) == Summary(one.stream, silent.tail, head(wake_at=None))
        assert len(keeper.index.parts[partition].quiet) == 0
        assert await written_head(ann.store, headless.stream) is None


async def anchors(store: Store) -> list[Anchor]:
    """Those that the view has."""
    found = await store.everything("ANCHORS", f"perdure.{store.subjects.namespace}.anchor.*")
    return [anchor_in(message) for message in found]


async def written_head(store: Store, stream: str) -> Summary | None:
    """What the view says, whatever else is known."""
    found = await store.last("HEADS", store.subjects.of(stream, "head"))
    return None if found is None else summary_in(found)


async def test_a_rebuild_that_is_cut_short_loses_nothing(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await accepted(ann.log, [opening(number, number) for number in range(10)])
        await ann.keeper.flush()
        await accepted(ann.log, [opening(10, 10)])

        async def dies() -> None:
            raise ConnectionError

        monkeypatch.setattr(ann.keeper, "_flush", dies)
        with pytest.raises(ConnectionError):
            await ann.heads.rebuild([Summary(f"run/default/{number}", Tail(1, bytes(32)), head(wake_at=1)) for number in range(3)])
        await bob.claim()

        assert await bob.due() == [(f"run/default/{number}", 1) for number in range(11)]


async def test_a_copy_of_the_heads_forgets_what_a_rebuild_dropped(nats_server: NatsServer, namespace: str) -> None:
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        await accepted(ann.log, [opening(number, None) for number in range(3)])
        await ann.keeper.flush()
        assert len(await bob.heads.all()) == 3
        await ann.heads.rebuild([Summary("run/default/2", Tail(1, bytes(32)), head())])

        assert [one.stream for one in await bob.heads.all()] == ["run/default/2"]


async def test_a_head_larger_than_a_header_may_be_comes_back(nats_server: NatsServer, namespace: str) -> None:
    large = Head("running", 0, "títle", 1, 2, b'{"a":"%s"}' % (b"x" * 200_000))
    async with node(nats_server.url, namespace) as ann, node(nats_server.url, namespace, "bob", claims=False) as bob:
        append = sealed("run/default/1", EMPTY, content(1), 1, large)
        await accepted(ann.log, [append])
        await bob.claim()
        (records,) = (await bob.log.load({append.stream: 0})).values()

        assert await bob.heads.get(append.stream) == Summary(append.stream, append.tail, large)
        assert [record.data for record in records] == [append.data]


@pytest.mark.parametrize("seed", range(20))
async def test_the_order_of_wake_ups_is_that_of_a_sorted_list(seed: int) -> None:
    from random import Random

    random, order, truth = Random(seed), Order(), dict[str, int]()
    for _ in range(300):
        stream = f"s{random.randrange(20)}"
        wake: Any = random.choice([None, 0, random.randrange(30)])
        order.move(stream, truth.get(stream), wake)
        truth = {name: at for name, at in truth.items() if name != stream} | ({} if wake is None else {stream: wake})
        until, limit = random.randrange(-1, 31), random.randrange(1, 9)
        after = random.choice([None, (0, "s5"), (random.randrange(30), stream)])
        keys = sorted((at, name) for name, at in truth.items() if at <= until)

        assert order.page(until, after, limit) == [name for at, name in keys if after is None or (at, name) > after][:limit]
        assert len(order) == len(truth)
        if random.random() < 0.1:
            some = {name for name in truth if random.random() < 0.5}
            order.drop(some)
            again = {name for name in some if random.random() < 0.5}
            order.add((truth[name], name) for name in again)
            truth = {name: at for name, at in truth.items() if name not in some - again}
