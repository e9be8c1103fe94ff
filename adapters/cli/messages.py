"""`perdure signal`, `pause`, `cancel` and their like: one message to one run of a log that nobody else holds.

The message is applied and the code, where its module is given, is driven on; steps that it then wants are left for the next
`perdure run`. Without the code the engine suspends the run, as it does wherever a workflow is unknown: the message is
recorded all the same, and the run goes on as soon as its code is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anyio
from msgspec import Struct

from ...actors.dispatcher import Dispatcher
from ...actors.ports import OwnsAll
from ...actors.shelf import Shelf
from ...eventlog.errors import PerdureError
from ...eventlog.log import Carrier
from ...eventlog.streams import stream_of
from ...runtime.authoring.effects import StepCall
from ...runtime.authoring.workflows import Registry, Workflow
from ...runtime.inspect.replay import fold
from ...runtime.logs import speak
from ...runtime.run.commands import Command, Retry
from ...runtime.run.errands import Errand
from ...runtime.run.performing import Standing
from ...runtime.run.runs import Runs
from ...runtime.run.state import Update
from ..compose import carrier_of
from ..system.clock import SystemClock, owner
from .looking import records_of
from .places import path_of, url_of


class Told(Struct, frozen=True):
    """What became of a message."""

    run: str
    told: str
    version: int
    """Where the message was applied."""
    status: str
    reason: str = ""


class Performs:
    """Nothing but what the code logs: steps wait for the process that serves the run."""

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None: ...

    def start_again(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None: ...

    def cancel(self, stream: str, id: str) -> None: ...

    def hold(self, stream: str, ids: Iterable[str]) -> Mapping[str, StepCall[Any]]:
        return {}

    def carry(self, stream: str, errands: Iterable[Errand]) -> None: ...

    def lost(self, stream: str) -> None: ...

    def wake_at(self, stream: str, due: int) -> None: ...

    def said(self, lines: list[Any]) -> None:
        speak(lines)

    def updated(self, stream: str, updates: Mapping[str, Update]) -> None: ...

    def ended(self, stream: str, standing: Standing) -> None: ...

    def time(self) -> int:
        return SystemClock().now()


async def tell(log: str, run: str, command: Command, known: Sequence[Workflow[..., Any]]) -> Told:
    """Apply one command to a run that exists; how the run stands then."""
    await records_of(path_of(log), run)
    async with carrier_of(url_of(log)) as carrier:
        standing = await _ask(carrier, stream_of("run", "default", run), command, known)
    return Told(run, type(command).__name__.lower(), standing.version, standing.status, standing.reason)


async def retry_command(log: str, run: str, from_version: int | None, fresh_keys: bool) -> Retry:  # noqa: FBT001 - an option of the command
    """The command to retry, a version of the log as what the code had taken by then."""
    if from_version is None:
        return Retry(None, fresh_keys)
    facts = fold(stream_of("run", "default", run), await records_of(path_of(log), run), until=from_version)
    return Retry(facts.delivered, fresh_keys, generation=facts.generation)


async def _ask(carrier: Carrier, stream: str, command: Command, known: Sequence[Workflow[..., Any]]) -> Standing:
    ownership = OwnsAll(owner(), carrier.epoch)
    shelf = Shelf(carrier.blobs)
    runs = Runs(Registry(known), Performs(), shelf)
    dispatcher = Dispatcher(carrier.log, carrier.snapshots, {runs.name: runs}, SystemClock(), ownership, shelf=shelf)
    answer: Standing | PerdureError | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(dispatcher.run)
        try:
            answer = await dispatcher.ask(stream, command)
        except PerdureError as error:
            answer = error
        dispatcher.close()
        await dispatcher.drain()
        await dispatcher.passivate()
        group.cancel_scope.cancel()
    if isinstance(answer, PerdureError):
        raise answer  # here, not in the task group's wrapping
    assert answer is not None
    return answer
