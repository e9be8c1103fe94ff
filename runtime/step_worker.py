"""A step worker: performs attempts that others ordered, with all that a runtime gives its steps. It owns no run and decides nothing.

What becomes of an attempt is told as the very command that the pool of the run's owner would have posted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Any

import anyio
from msgspec import Raw, Struct, UnsetType

from ..actors.ports import Bell, Clock
from ..actors.shelf import Shelf
from ..eventlog.errors import Invalid
from .authoring.artifacts import STORE, Store
from .authoring.effects import StepCall
from .authoring.resources import RESOURCES
from .authoring.steps import Step
from .perform.elsewhere import Order, call_of
from .perform.interceptors import Interceptor, chain
from .perform.limiting import SlotsGiven
from .perform.pool import Pool
from .perform.ports import Processes, Threads
from .resources import Resources, entered, sufficient
from .settings.node import Settings

AnyStep = Step[..., Any]

TIDY_SECONDS = 1.0
"""What attempts that are cut short may take to clean up."""


class Heard(Struct):
    """What an attempt may know of the facts of its step."""

    heartbeat: Raw | UnsetType


class StepWorker:
    """Performs attempts while `serving()` is open. `tell` hears what becomes of each, with the stream of its run."""

    def __init__(
        self,
        steps: Iterable[AnyStep],
        store: Store,
        *,
        name: str,
        tell: Callable[[str, Any], None],
        clock: Clock,
        threads: Threads,
        processes: Processes | None = None,
        settings: Settings | None = None,
        resources: Resources | None = None,
        interceptors: Iterable[Interceptor] = (),
        bell: Callable[[], Bell] = anyio.Event,
    ) -> None:
        self.name = name
        self.steps = by_name(steps)
        self.settings = settings or Settings()
        self._resources = sufficient(resources or {}, self.steps.values())
        self._store = store
        shelf = Shelf(store.blobs, large_bytes=self.settings.large_bytes, value_bytes_max=self.settings.value_bytes_max)
        self.pool = Pool(
            tell, _begun, clock, threads, concurrency=self.settings.worker_concurrency, owner=name, bell=bell, shelf=shelf,
            limiting=SlotsGiven(), processes=processes, around=chain(interceptors),
        )  # fmt: skip
        self._context = copy_context()
        """Of the services: whoever is hired to perform an attempt has the resources in his."""

    async def call_of(self, order: Order) -> StepCall[Any]:
        """What an order asks for; Invalid where the step, or its arguments, are not known here."""
        step = self.steps.get(order.step)
        if step is None:
            raise Invalid("an order asks for a step that is not known here", who=f"run {order.stream!r}", where=f"step {order.step!r}",
                          expected=", ".join(sorted(self.steps)) or "steps", found=order.step,
                          instead="give this worker the module that defines the step")
        args = order.args if order.blob is None else Raw(await self.pool.shelf.get(order.stream, order.blob))
        return call_of(order, step, args)

    def begin(self, order: Order, call: StepCall[Any], before: Raw | UnsetType) -> None:
        """Perform the attempt as soon as there is room; `before` is what an earlier one told last."""
        call.facts = Heard(before)
        self._context.run(self.pool.start, order.stream, order.id, order.attempt, call)

    def performs(self, order: Order) -> bool:
        """Whether the attempt waits or runs here."""
        return self.pool.has(order.stream, order.id)

    def cancel(self, order: Order) -> None:
        """The run no longer wants it."""
        self._context.run(self.pool.cancel, order.stream, order.id)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """The resources are open and attempts are performed until the end of the block; call `drain` before it."""
        body_error: BaseException | None = None
        async with entered(self._resources) as resources:
            async with anyio.create_task_group() as group:
                group.start_soon(self._serve, resources)
                try:
                    yield
                except BaseException as error:
                    body_error = error  # raised below as it is, not in the task group's wrapping
                group.cancel_scope.cancel()
            if body_error is not None:
                raise body_error

    async def drain(self) -> None:
        """Begin nothing more, let what runs end within `drain_seconds`, then cut it short: of that, nothing is told."""
        with anyio.move_on_after(self.settings.drain_seconds):
            await self.pool.drain()
        for stream in self.pool.streams():
            self.pool.lose(stream)
        with anyio.move_on_after(TIDY_SECONDS):
            await self.pool.drain()

    async def _serve(self, resources: Mapping[Any, Any]) -> None:
        RESOURCES.set(resources)
        STORE.set(self._store)
        self._context = copy_context()
        await self.pool.serve()


def by_name(steps: Iterable[AnyStep]) -> dict[str, AnyStep]:
    """The steps by their names; Invalid where two have the same."""
    known: dict[str, AnyStep] = {}
    for step in steps:
        if known.setdefault(step.name, step) is not step:
            raise Invalid("two steps have the same name, so an order for it could mean either", who=f"step {step.name!r}", where="steps",
                          expected="a name of its own for each", found=f"{known[step.name].function!r} and {step.function!r}",
                          instead="rename one: @step(name=…)")
    return known


async def _begun(stream: str, command: Any) -> bool:
    """That an attempt begins is recorded where its order was asked for."""
    return True
