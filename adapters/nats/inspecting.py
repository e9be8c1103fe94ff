"""What an operator asks of a namespace: make it, hold it against what perdure relies on, show how it stands. None of it owns anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from ...eventlog.errors import NotFound
from ...eventlog.log import Durability
from .doors.inbox import consumer_of
from .fitness import durability, fit
from .owning.fences import Fences
from .queues import orders
from .url import Place, place_of
from .views.anchors import PART as ANCHORS
from .views.anchors import TREE as ANCHOR
from .views.anchors import anchor_in
from .wire import api
from .wire.buckets import (
    BUCKETS,
    INBOX,
    LOG,
    PARTITIONS,
    TASKS,
    Difference,
    adopted,
    existing,
    found_differences,
    gone,
    prepare,
    refuse,
    unusable,
)
from .wire.connection import connect
from .wire.consumers import durable, had
from .wire.messages import Subjects
from .wire.store import Store


class Initialised(Struct, frozen=True):
    """What `init` made, and what was there."""

    namespace: str
    made: Sequence[str]
    there: Sequence[str]
    partitions: int


class Drift(Struct, frozen=True):
    """One difference, in words for any reader."""

    stream: str
    field: str
    expected: Any
    found: Any


class Checked(Struct, frozen=True):
    """How a namespace compares with what perdure relies on."""

    namespace: str
    server: str
    missing: Sequence[str]
    differences: Sequence[Drift]
    durability: Durability | None
    """None where there is no log yet."""

    @property
    def is_sound(self) -> bool:
        return not self.missing and not self.differences


class StreamLine(Struct, frozen=True):
    """A JetStream stream and what it holds."""

    name: str
    messages: int
    bytes: int
    replicas: int
    leader: str


class OwnerLine(Struct, frozen=True):
    """A worker, and how many partitions it claimed last. Nobody: empty."""

    owner: str
    partitions: int
    epoch: int


class QueueLine(Struct, frozen=True):
    """A task queue: orders that wait for a worker, and those that one has in hand. No name: queues that no worker has served yet."""

    queue: str
    waiting: int
    in_hand: int


class Standing(Struct, frozen=True):
    """How a namespace stands. `behind`: records that are in no view of heads yet, at most."""

    namespace: str
    server: str
    durability: Durability
    partitions: int
    records: int
    streams: int
    behind: int
    owners: Sequence[OwnerLine]
    stored: Sequence[StreamLine]
    queues: Sequence[QueueLine] = ()


@asynccontextmanager
async def looking(url: str) -> AsyncGenerator[tuple[Store, Place]]:
    """The store of a namespace on a server that will do."""
    place = place_of(url)
    async with connect(place.servers, name="perdure nats", **place.settings()) as connection:
        store = Store(connection, Subjects(place.namespace, PARTITIONS))
        await fit(store)
        yield store, place


async def initialise(url: str) -> Initialised:
    """Make what is missing of a namespace; what is there and otherwise is Invalid, and stays as it is."""
    async with looking(url) as (store, place):
        _, found = await consumers_compared(store, await existing(store))
        refuse(found, what="a consumer")
        made = await prepare(store, replicas=place.replicas)
        missing, _ = await consumers_compared(store, await existing(store))
        inbox = consumer_of(store.subjects)
        if (error := await had(store, inbox)) is not None:
            raise unusable(inbox.place, error)
        made += missing
        names = [*(store.subjects.bucket_of(bucket.part) for bucket in BUCKETS), inbox.place]
        return Initialised(place.namespace, made, [name for name in names if name not in made], store.subjects.partitions)


async def check(url: str) -> Checked:
    """Compare; nothing is made and nothing changed."""
    async with looking(url) as (store, place):
        there = await existing(store)
        log = there.get(LOG.part)
        if log is not None:
            store.subjects = adopted(store.subjects, log)
        missing = [store.subjects.bucket_of(bucket.part) for bucket in BUCKETS if bucket.part not in there]
        lacking, otherwise = await consumers_compared(store, there)
        found = [*found_differences(store.subjects, BUCKETS, there), *otherwise]
        drift = [Drift(one.bucket, one.field, one.expected, one.found) for one in found]
        lasts = None if log is None else await durability(log.config, place)
        return Checked(place.namespace, server_of(store), [*missing, *lacking], drift, lasts)


async def status(url: str) -> Standing:
    """How it stands; NotFound where there is no log."""
    async with looking(url) as (store, place):
        there = await found_log(store, place)
        log = there[LOG.part]
        owners: Counter[tuple[str, int]] = Counter((fence.owner, fence.epoch) for fence in await Fences(store).all())
        return Standing(
            place.namespace, server_of(store), await durability(log.config, place), store.subjects.partitions, log.state.messages,
            log.state.num_subjects, await behind(store, log),
            [OwnerLine(owner, count, epoch) for (owner, epoch), count in sorted(owners.items())],
            [line_of(info) for info in there.values()],
            [] if TASKS.part not in there else await queues_of(store, there[TASKS.part].state.messages),
        )  # fmt: skip


async def consumers_compared(store: Store, there: Mapping[str, api.StreamInfo]) -> tuple[list[str], list[Difference]]:
    """Which durable consumer is missing, and where those that are there are configured otherwise. One of a queue comes with its worker."""
    missing, found = list[str](), list[Difference]()
    if INBOX.part in there:
        wanted = consumer_of(store.subjects)
        configs = {one.name: one.config for one in await durable(store, wanted.bucket)}
        missing += [] if wanted.name in configs else [wanted.place]
        found += wanted.differences(configs[wanted.name]) if wanted.name in configs else []
    if TASKS.part in there:
        for one in await durable(store, store.subjects.bucket_of(TASKS.part)):
            found += orders.consumer_of(store.subjects, one.name).differences(one.config)
    return missing, found


async def queues_of(store: Store, orders: int) -> list[QueueLine]:
    """How each task queue stands, of so many orders in all."""
    lines: list[QueueLine] = []
    while True:
        page = api.consumers(await store.call(f"CONSUMER.LIST.{store.subjects.bucket_of(TASKS.part)}", {"offset": len(lines)}))
        lines += [QueueLine(each.name, each.num_pending, each.num_ack_pending) for each in page.consumers]
        if not page.consumers or len(lines) >= page.total:
            break
    unserved = orders - sum(line.waiting + line.in_hand for line in lines)
    return [*lines, QueueLine("", unserved, 0)] if unserved > 0 else lines


async def found_log(store: Store, place: Place) -> dict[str, api.StreamInfo]:
    """The JetStream streams of a namespace that has a log, whose partitions the store learns; NotFound where there is none."""
    there = await existing(store)
    log = there.get(LOG.part)
    if log is None and ANCHORS in there:
        raise gone(store.subjects)
    if log is None:
        raise NotFound("there is no log", who=place.hidden, expected=f"a stream {store.subjects.bucket}", found="none",
                       instead="make it with `perdure nats init`, or correct the namespace in the URL")
    store.subjects = adopted(store.subjects, log)
    return there


async def behind(store: Store, log: api.StreamInfo) -> int:
    """How many records came after the newest anchor of all: so many, at most, are in no view yet."""
    anchors = await store.everything(ANCHORS, f"perdure.{store.subjects.namespace}.{ANCHOR}.*")
    return log.state.last_seq - max((anchor_in(message).through for message in anchors), default=0)


def line_of(info: api.StreamInfo) -> StreamLine:
    config, state = info.config, info.state
    return StreamLine(config["name"], state.messages, state.bytes, config.get("num_replicas", 1), info.cluster.leader)


def server_of(store: Store) -> str:
    return f"nats-server {store.connection.client.connected_server_version}"
