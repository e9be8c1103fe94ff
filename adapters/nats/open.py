"""Opening alone: one process that owns every partition until another claims them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from msgspec.structs import replace

from ...eventlog.errors import PerdureError, Unavailable
from ...eventlog.log import Carrier
from .carrying import carrying, prepared
from .owning.fences import Fence, Fences
from .permissions import appending
from .url import Place, place_of
from .views.keeper import Keeper, logger
from .wire.buckets import PARTITIONS
from .wire.connection import Connection, connect
from .wire.messages import Subjects
from .wire.permitted import permitted
from .wire.store import Store

CLAIMS_MAX = 20
"""So often a claim is tried anew when others claim at the same time."""


@asynccontextmanager
async def open_nats(url: str, *, owner: str = "perdure") -> AsyncGenerator[Carrier]:
    """The log that a URL names, made if there is none; owned by this opening until its context ends or another claims it.

    The name of an owner, which a random part makes its own, is for people to read.
    """
    place = place_of(url)
    async with (
        connect(place.servers, name=f"perdure {owner}", **place.settings()) as connection,
        carried(connection, place, owner=f"{owner}.{uuid4().hex[:8]}") as carrier,
    ):
        yield carrier


@asynccontextmanager
async def carried(
    connection: Connection, place: Place, *, owner: str, answer_timeout: float = 2.0, patience: float = 10.0
) -> AsyncGenerator[Carrier]:
    """The same over a connection that stands."""
    store = Store(connection, Subjects(place.namespace, PARTITIONS), answer_timeout=answer_timeout, patience=patience)
    lasts, fences = await prepared(store, place), Fences(store)
    await permitted(connection, {}, appending(store.subjects))
    async with carrying(store, lasts) as ours:
        found = await fences.all()
        held = await claimed(fences, found, owner)
        await ours.keeper.take(held, after=found)
        try:
            yield replace(ours.carrier, epoch=held[0].epoch)
        finally:
            try:
                await left(ours.keeper, fences, held)
            except PerdureError as away:
                logger.warning("nats: the log is left as it is, and read again by whoever opens it next: %s", away)


async def claimed(fences: Fences, found: Sequence[Fence], owner: str) -> list[Fence]:
    """All partitions, claimed under one epoch above every other."""
    for _ in range(CLAIMS_MAX):
        held = await fences.claim_all(found, owner, epoch=1 + max(fence.epoch for fence in found))
        won = [fence for fence in held if fence is not None]
        if len(won) == len(found) and len({fence.epoch for fence in won}) == 1:
            return won
        found = await fences.all()
    raise Unavailable("others claim the log at the same time", who=owner, expected="all partitions",
                      found=f"claims of {', '.join(sorted({fence.owner for fence in found}))}", instead="start one after another")


async def left(keeper: Keeper, fences: Fences, held: Sequence[Fence]) -> None:
    """Write all that is known, and let go of what is still ours."""
    ours = [fence for fence in held if fence.partition in keeper.index.parts]
    await keeper.flush()
    await keeper.let_go(fence.partition for fence in ours)
    await fences.release_all(ours)
