"""The life of a runtime: its services begin, serve, and drain."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from .authoring.artifacts import STORE
from .authoring.resources import RESOURCES
from .authoring.sending import OUTBOX
from .perform.outbox import RequestOutbox
from .resources import Resources, entered

if TYPE_CHECKING:
    from .engine import Runtime

logger = logging.getLogger("perdure.runtime")

SILENT_SECONDS = 1.0
"""Closing that takes longer says what it waits for."""


@asynccontextmanager
async def living(runtime: Runtime) -> AsyncGenerator[None]:
    """The resources are open and the services at work until the end of the block; then steps may end within the grace."""
    body_error: BaseException | None = None
    async with entered(runtime.resources) as resources:
        async with anyio.create_task_group() as group:
            for service in _services_of(runtime):
                group.start_soon(_serve, runtime, service, resources)
            try:
                yield
            except BaseException as error:
                body_error = error  # raised below as it is, not in the task group's wrapping
            with anyio.CancelScope(shield=True):
                await _drain(runtime)
            runtime.performer.end()
            group.cancel_scope.cancel()
        if body_error is not None:
            raise body_error


def _services_of(runtime: Runtime) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
    if not runtime.performs:
        return (runtime.dispatcher.run,)

    async def passivate_for_ever() -> None:
        mark = 0
        while True:
            with anyio.move_on_after(runtime.settings.actors.passivate_seconds):
                await runtime.dispatcher.crowding.wait()
            await runtime.dispatcher.passivate(untouched_since=mark)
            mark = runtime.dispatcher.turns

    alarm, carriers = runtime.alarm, (runtime.courier.serve, runtime.limiting.serve, runtime.delivering.serve)
    queueing = () if runtime.pool.queueing is None else (runtime.pool.queueing.serve,)
    watchers = (runtime.quarantining.serve, runtime.auditor.serve, runtime.watching.serve, runtime.retaining.serve)
    timers = (alarm.serve, alarm.sweep_for_ever, passivate_for_ever)
    return runtime.dispatcher.run, runtime.pool.serve, *carriers, *queueing, *timers, *watchers


async def _serve(runtime: Runtime, service: Callable[[], Coroutine[Any, Any, None]], resources: Resources) -> None:
    """In the context of the services alone: what the pool performs is begun from there."""
    RESOURCES.set(resources)
    STORE.set(runtime.carrier)
    OUTBOX.set(RequestOutbox(runtime.do, runtime.ask_actor, runtime.delivering.check, runtime.carrier.heads))
    await service()


async def _drain(runtime: Runtime) -> None:
    with anyio.move_on_after(runtime.settings.drain_seconds):
        runtime.dispatcher.close()
        with anyio.move_on_after(SILENT_SECONDS) as silent:
            await runtime.pool.drain()
        if silent.cancelled_caught:
            most = runtime.settings.drain_seconds
            logger.warning("%d steps still run: closing waits for their ends, %g s at most", runtime.pool.flying, most)
            await runtime.pool.drain()
        await runtime.dispatcher.drain()
        await runtime.dispatcher.passivate()
