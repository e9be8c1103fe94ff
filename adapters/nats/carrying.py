"""The carrier of a namespace, put together: what every opening needs, whoever owns which partitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from ...eventlog.log import Carrier, Durability
from .fitness import durability, fit
from .records.blobs import JetStreamBlobs
from .records.committer import Committer
from .records.log import JetStreamLog
from .records.snapshots import JetStreamSnapshots
from .url import Place
from .views.evidence import Evidence
from .views.heads import JetStreamHeads
from .views.index import Index
from .views.keeper import Keeper
from .wire.buckets import log_config, prepare
from .wire.lasting import lasting
from .wire.store import Store


class Carrying(Struct, frozen=True):
    """A carrier, who keeps what of it is owned, who appends to it, and who knows how far streams have been."""

    carrier: Carrier
    keeper: Keeper
    committer: Committer
    evidence: Evidence


async def prepared(store: Store, place: Place) -> Durability:
    """Make what is missing on a server that will do; what an acknowledged append survives there."""
    await fit(store)
    await prepare(store, replicas=place.replicas)
    return await durability(await log_config(store), place)


@asynccontextmanager
async def carrying(store: Store, lasts: Durability, lost: Callable[[int], None] = lambda _: None) -> AsyncGenerator[Carrying]:
    """The carrier over what was prepared. Nothing of it is owned yet; `lost` is told of partitions that turn out to be another's."""
    index = Index(store.subjects)
    keeper, evidence = Keeper(store, index, lost), Evidence(store, index)
    log = JetStreamLog(store, index, evidence)
    heads, snapshots = JetStreamHeads(store, index, keeper), JetStreamSnapshots(store, log.committer.places)
    serving = asyncio.create_task(lasting(keeper.serve))
    try:
        yield Carrying(Carrier(log, heads, snapshots, JetStreamBlobs(store), lasts), keeper, log.committer, evidence)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        await log.committer.close()
