"""Activation: many cold actors are read and folded at once, from their snapshots where they have one."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from ..eventlog.errors import Bug, Corrupt, Invalid
from ..eventlog.guard import guard
from ..eventlog.log import Log, Snapshots, Version
from ..eventlog.records import Record, verified
from ..eventlog.snapshots import Snapshot
from .mailbox import Actor

logger = logging.getLogger("perdure.actors")

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
        kept = await _snapshots_of(snapshots, batch)
        for actor in batch:
            _begin(actor, kept.get(actor.stream))
        records = await _records_behind(log, {actor.stream: actor.tail.version for actor in batch})
        with collector_off():
            for actor in batch:
                _fold_into(actor, records.get(actor.stream, ()), kept.get(actor.stream))
        await rest()


async def _snapshots_of(snapshots: Snapshots, actors: Sequence[Actor]) -> Mapping[str, Snapshot]:
    """Their snapshots; none where they cannot be read, because the log has it all."""
    try:
        return await snapshots.load([actor.stream for actor in actors])
    except Corrupt:
        return {}


async def _records_behind(log: Log, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record] | Corrupt]:
    """The records of each stream; where a part of the log cannot be read at all, the error, for the streams in it alone."""
    try:
        return await log.load(after)
    except Corrupt as error:
        if len(after) == 1:
            return dict.fromkeys(after, error)
    found: dict[str, Sequence[Record] | Corrupt] = {}
    for stream, version in after.items():
        found.update(await _records_behind(log, {stream: version}))
    return found


def _begin(actor: Actor, snapshot: Snapshot | None) -> None:
    """The state to fold from: that of a snapshot which fits, else the initial one. A snapshot is a cache: one that fails is passed over."""
    actor.forget()
    kind = actor.kind
    if snapshot is not None and snapshot.intact and snapshot.state_version == kind.state_version:
        try:
            frozen = FROZEN.decode(guard(snapshot.data, actor.stream))
            actor.state = kind.thaw(actor.stream, bytes(frozen.state))
        except Exception as error:
            logger.warning("the snapshot of %s does not thaw, so its whole stream is folded: %r", actor.stream, error)
        else:
            actor.tail, actor.at, actor.epoch = snapshot.tail, frozen.at, frozen.epoch
            actor.snapshot_version = snapshot.tail.version
            return
    actor.state = kind.initial(actor.stream)


def _fold_into(actor: Actor, records: Sequence[Record] | Corrupt, snapshot: Snapshot | None) -> None:
    """Fold what the log has. A snapshot that was passed over still says how far the stream was."""
    kind = actor.kind
    try:
        if isinstance(records, Corrupt):
            raise records
        event = None
        for record in verified(actor.stream, actor.tail, records):
            batch = kind.codec.decode(record.data)
            for event in batch.events:
                actor.state = kind.evolve(actor.state, event, batch.at)
            actor.tail, actor.at, actor.epoch = record.tail, batch.at, batch.epoch
            actor.bytes += len(record.data)
        if type(event) in kind.departures:
            actor.epoch = 0
        if snapshot is not None and snapshot.intact and actor.tail.version < snapshot.tail.version:
            raise shorter(actor, snapshot)
    except (Corrupt, Invalid) as error:
        actor.forget()
        actor.broken = error
    except Exception as error:
        logger.exception("actor %s broke while its stream was folded", actor.stream)
        actor.forget()
        actor.broken = Bug("an actor's own code failed", who=actor.stream, where="folding its stream", found=repr(error),
                           instead="report it with the log of this actor; the log itself is untouched")
    else:
        if actor.tail.version:
            kind.awaken(actor.state)
        actor.awake, actor.broken = True, None


def shorter(actor: Actor, snapshot: Snapshot) -> Corrupt:
    return Corrupt("a stream ends before it once did", who=actor.stream, where=f"version {actor.tail.version}",
                   expected=f"at least version {snapshot.tail.version}, as its snapshot says", found="no more records",
                   instead="do not write to this stream; if a run is being moved here, import its file again, else compare with a backup")


def snapshot_of(actor: Actor, *, always: bool = False) -> Snapshot | None:
    """A snapshot of a durable state, where the tail behind the last one is long enough to be worth it; `always`: where there is any."""
    events, size = actor.tail.version - actor.snapshot_version, actor.bytes - actor.snapshot_bytes
    if not (events if always else events >= SNAPSHOT_EVENTS or size >= SNAPSHOT_BYTES):
        return None
    data = actor.kind.freeze(actor.state)
    if data is None:
        return None
    actor.snapshot_version, actor.snapshot_bytes = actor.tail.version, actor.bytes
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
