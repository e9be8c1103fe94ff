"""All doors of a namespace in NATS, for one worker of those that serve it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from ....eventlog.streams import escape
from ....runtime.authoring.triggers import Trigger
from ....runtime.engine import Runtime
from ..wire.store import Store
from . import inbox as durable
from .broadcast import Appends, broadcast
from .door import door
from .inbox import inbox
from .task_desk import desk
from .triggers import heard, kept


@asynccontextmanager
async def doors(
    store: Store, runtime: Runtime, appends: Appends, *, owns: Callable[[str], bool], triggers: Iterable[Trigger] = (), replicas: int = 1
) -> AsyncGenerator[None]:
    """Serve requests, the inbox, broadcasts and triggers of the namespace whose log the runtime stands on, until the end of the block.

    What one worker at a time does is done by the one who `owns` the stream that stands for it; all tell what they append.
    """
    connection, namespace = store.connection, store.subjects.namespace

    def turn(stream: str) -> Callable[[], bool]:
        return lambda: owns(stream)

    async with AsyncExitStack() as stack:
        for trigger in triggers:
            stays = kept(store, runtime, trigger, turn(f"door/default/trigger-{escape(trigger.called)}"))
            await stack.enter_async_context(stays if trigger.stream else heard(connection, runtime, namespace, trigger))
        await stack.enter_async_context(broadcast(connection, appends, namespace))
        await stack.enter_async_context(inbox(store, runtime, replicas=replicas, has_turn=turn(durable.TURN)))
        await stack.enter_async_context(door(connection, runtime, namespace))
        if runtime.passing is not None:
            await stack.enter_async_context(desk(connection, runtime.passing, namespace))
        yield
