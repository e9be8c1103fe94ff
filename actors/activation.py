"""Activation: many cold actors are read and folded at once, from their snapshots where they have one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from ..eventlog.errors import Corrupt, Invalid
from ..eventlog.guard import guard
from ..eventlog.log import Log, Snapshots
from ..eventlog.records import EMPTY, Record, verified
from ..eventlog.snapshots import Snapshot
from .kind import Kind
from .mailbox import Actor

ACTIVATED_AT_ONCE = 200
"""More would hold the loop for too long between two turns of everybody else."""

SNAPSHOT_EVENTS = 100
SNAPSHOT_BYTES = 64 * 1024


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """The data of a snapshot: the state, and what the dispatcher must know of the last record behind it."""

    at: int
    epoch: int
    state: msgspec.Raw


FROZEN = msgspec.json.Decoder(Frozen)


async def activate(actors: Sequence[Actor], log: Log, snapshots: Snapshots, rest: Callable[[], Any]) -> None:
    """Fold each actor's state from the log; one whose stream does not hold is marked broken and the others go on."""
    for start in range(0, len(actors), ACTIVATED_AT_ONCE):
        batch = actors[start : start + ACTIVATED_AT_ONCE]
        kept = await snapshots.load([actor.stream for actor in batch])
        usable = {actor.stream: kept[actor.stream] for actor in batch if actor.stream in kept and _fits(actor.kind, kept[actor.stream])}
        after = {actor.stream: usable[actor.stream].tail.version if actor.stream in usable else 0 for actor in batch}
        records = await log.load(after)
        with collector_off():
            for actor in batch:
                _fold_into(actor, usable.get(actor.stream), records.get(actor.stream, ()))
        await rest()


def _fits(kind: Kind[Any, Any, Any], snapshot: Snapshot) -> bool:
    return snapshot.intact and snapshot.state_version == kind.state_version


def _fold_into(actor: Actor, snapshot: Snapshot | None, records: Sequence[Record]) -> None:
    kind = actor.kind
    actor.forget()
    try:
        if snapshot is not None:
            frozen = FROZEN.decode(guard(snapshot.data, actor.stream))
            actor.state, actor.tail = kind.thaw(actor.stream, bytes(frozen.state)), snapshot.tail
            actor.at, actor.epoch = frozen.at, frozen.epoch
        else:
            actor.state, actor.tail = kind.initial(actor.stream), EMPTY
        for record in verified(actor.stream, actor.tail, records):
            batch = kind.codec.decode(record.data)
            for event in batch.events:
                actor.state = kind.evolve(actor.state, event, batch.at)
            actor.tail, actor.at, actor.epoch = record.tail, batch.at, batch.epoch
            actor.since_events += record.last - record.first + 1
            actor.since_bytes += len(record.data)
    except (Corrupt, Invalid) as error:
        actor.forget()
        actor.broken = error
    else:
        if actor.tail.version:
            kind.awaken(actor.state)
        actor.awake, actor.broken = True, None


def snapshot_of(actor: Actor) -> Snapshot | None:
    """A snapshot of a durable state, where the tail behind the last one is long enough to be worth it."""
    if actor.since_events < SNAPSHOT_EVENTS and actor.since_bytes < SNAPSHOT_BYTES:
        return None
    data = actor.kind.freeze(actor.state)
    if data is None:
        return None
    actor.since_events = actor.since_bytes = 0
    frozen = msgspec.json.encode(Frozen(actor.at, actor.epoch, msgspec.Raw(data)))
    return Snapshot.of(actor.stream, actor.tail, actor.kind.state_version, frozen)


@contextmanager
def collector_off() -> Generator[None]:
    """Folding makes many objects that live on: the cyclic collector would look at them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
