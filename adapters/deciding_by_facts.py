"""Deciding by facts: runs of a log that nobody serves are told something by who has none of their code, as a move does.

Nothing is driven and nothing performed: that waits for whoever serves the log next. With the code at hand, see `compose.deciding`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from ..actors.dispatcher import Dispatcher
from ..actors.ports import OwnsAll
from ..actors.shelf import Shelf
from ..eventlog.codec import Event
from ..eventlog.log import Carrier
from ..runtime.authoring.effects import StepCall
from ..runtime.authoring.workflows import Registry
from ..runtime.logs import speak
from ..runtime.run.errands import Errand
from ..runtime.run.live import Run
from ..runtime.run.performing import Standing
from ..runtime.run.runs import Runs
from ..runtime.run.state import Update
from .system.clock import SystemClock, owner


class PerformsNothing:
    """Nothing but what the code logs: steps wait for the process that serves the run."""

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None: ...

    def start_again(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None: ...

    def cancel(self, stream: str, id: str) -> None: ...

    def hold(self, stream: str, ids: Iterable[str]) -> Mapping[str, StepCall[Any]]:
        return {}

    def carry(self, stream: str, errands: Iterable[Errand]) -> None: ...

    def remove(self, stream: str, release: int) -> None: ...

    def lost(self, stream: str) -> None: ...

    def wake_at(self, stream: str, due: int) -> None: ...

    def rest_until(self, stream: str, due: int | None) -> None: ...

    def said(self, lines: list[Any]) -> None:
        speak(lines)

    def updated(self, stream: str, updates: Mapping[str, Update]) -> None: ...

    def ended(self, stream: str, standing: Standing) -> None: ...

    def time(self) -> int:
        return SystemClock().now()


class ByFacts(Runs):
    """Runs decided by their facts alone: no code is driven, so none is missing."""

    def react(self, state: Run, now: int) -> Sequence[Event]:
        return state.next_coming()


@asynccontextmanager
async def deciding_by_facts(carrier: Carrier) -> AsyncGenerator[Dispatcher]:
    """Decides what the runs of a log are told, until the end of the block."""
    shelf, body_error = Shelf(carrier.blobs), None
    runs = ByFacts(Registry(()), PerformsNothing(), shelf)
    ownership = OwnsAll(owner(), carrier.epoch)
    dispatcher = Dispatcher(carrier.log, carrier.snapshots, {runs.name: runs}, SystemClock(), ownership, shelf=shelf)
    async with anyio.create_task_group() as group:
        group.start_soon(dispatcher.run)
        try:
            yield dispatcher
        except Exception as error:
            body_error = error  # raised below as it is, not in the task group's wrapping
        dispatcher.close()
        await dispatcher.drain()
        await dispatcher.passivate()
        group.cancel_scope.cancel()
    if body_error is not None:
        raise body_error
