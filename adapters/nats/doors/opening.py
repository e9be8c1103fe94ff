"""All doors of a namespace in NATS, for one worker."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from ....eventlog.log import Cursor
from ....runtime.authoring.triggers import Trigger
from ....runtime.engine import Runtime
from ..buckets import LOG, PARTITIONS
from ..connection import Connection
from ..messages import Subjects
from ..store import Store
from . import broadcast as telling
from . import inbox as durable
from .broadcast import broadcast
from .door import door
from .inbox import inbox
from .road import road
from .triggers import heard, kept

OwnerOf = Callable[[str], str | None]


@asynccontextmanager
async def doors(
    connection: Connection, runtime: Runtime, namespace: str, *, owner_of: OwnerOf | None = None,
    triggers: Iterable[Trigger] = (), replicas: int = 1,
) -> AsyncGenerator[None]:  # fmt: skip
    """Serve requests, the inbox, broadcasts and triggers of a namespace, whose log the runtime stands on, until the end of the block.

    `owner_of` names the worker that owns a stream, None while nobody does; without it this worker owns all. The connection should
    be another than the log's, so that answers do not wait behind records.
    """
    store = Store(connection, Subjects(namespace, PARTITIONS))
    here = runtime.dispatcher.ownership.owner

    def turn(stream: str) -> Callable[[], bool]:
        return lambda: owner_of is None or owner_of(stream) == here

    async def now() -> Cursor | None:
        newest = await store.last(LOG.part, store.subjects.all)
        return None if newest is None else str(newest.sequence)

    async with AsyncExitStack() as stack:
        if owner_of is not None:
            await stack.enter_async_context(road(connection, runtime, namespace, owner_of))
        for trigger in triggers:
            stays = kept(store, runtime, trigger, turn(f"door/default/{trigger.called}"))
            await stack.enter_async_context(stays if trigger.stream else heard(connection, runtime, namespace, trigger))
        await stack.enter_async_context(broadcast(connection, runtime.carrier.log, namespace, now=now, has_turn=turn(telling.TURN)))
        await stack.enter_async_context(inbox(store, runtime, replicas=replicas, has_turn=turn(durable.TURN)))
        await stack.enter_async_context(door(connection, runtime, namespace))
        yield
