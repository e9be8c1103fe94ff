"""`perdure signal`, `pause`, `cancel` and their like: one message to one run.

In NATS the workers are asked, as by any client. A file must be one that nobody else holds: there the message is applied
here, and the code, where its module is given, is driven on; steps that it then wants are left for the next `perdure run`.
Without the code the engine suspends the run, as it does wherever a workflow is unknown: the message is recorded all the
same, and the run goes on as soon as its code is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import anyio
import msgspec
from msgspec import Struct

from ...actors.dispatcher import Dispatcher
from ...actors.ports import OwnsAll
from ...actors.shelf import Shelf
from ...eventlog.errors import NotFound, PerdureError
from ...eventlog.log import Carrier
from ...eventlog.records import Record
from ...eventlog.streams import stream_of
from ...runtime.authoring.effects import StepCall
from ...runtime.authoring.workflows import Registry, Workflow
from ...runtime.inspect.replay import fold
from ...runtime.logs import speak
from ...runtime.requests import (
    Applied,
    CancelRun,
    DecideApproval,
    PauseRun,
    ResumeRun,
    RetryRun,
    SignalRun,
    SkipStep,
    TerminateRun,
    UpgradeRun,
)
from ...runtime.run.commands import Command, Retry, Signal
from ...runtime.run.errands import Errand
from ...runtime.run.performing import Standing
from ...runtime.run.runs import Runs
from ...runtime.run.state import Update
from ...runtime.translating import COMMANDS
from ..compose import carrier_of
from ..connecting import connect
from ..system.clock import SystemClock, owner
from .looking import records_of
from .places import is_in_nats, url_of

Steering: TypeAlias = (
    SignalRun | DecideApproval | SkipStep | PauseRun | ResumeRun | RetryRun | UpgradeRun | CancelRun | TerminateRun
)
"""What a run can be told from the command line."""

WITHIN_SECONDS = 10.0
"""How long workers have to answer."""


class Told(Struct, frozen=True):
    """What became of a message."""

    run: str
    told: str
    version: int
    """Where the message was applied."""
    status: str
    reason: str = ""
    served: bool = False
    """Whether workers go on with the run by themselves."""


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


async def tell(log: str, request: Steering, known: Sequence[Workflow[..., Any]]) -> Told:
    """Apply one message to a run that exists; how the run stands then. In NATS the workers do, and go on with the run by themselves."""
    url, name = url_of(log), str(request.__struct_config__.tag)
    if is_in_nats(url):
        applied = await _ask_workers(log, url, request)
        return Told(applied.run, name, applied.version, applied.status, applied.reason, served=True)
    records = await records_of(log, request.run)
    async with carrier_of(url) as carrier:
        command = command_of(request, records)
        standing = await _ask(carrier, stream_of("run", "default", request.run), command, known)
    return Told(request.run, name, standing.version, standing.status, standing.reason)


def command_of(request: Steering, records: Sequence[Record]) -> Command:
    """What the decider of runs is told; a version of the log becomes what the code had taken by then."""
    if isinstance(request, SignalRun):
        return Signal(request.name, request.value)
    if not isinstance(request, RetryRun):
        return COMMANDS[type(request)](request)
    if request.from_version is None:
        return Retry(None, request.fresh_keys)
    facts = fold(stream_of("run", "default", request.run), records, until=request.from_version)
    return Retry(facts.delivered, request.fresh_keys, generation=facts.generation)


async def _ask_workers(log: str, url: str, request: Steering) -> Applied:
    try:
        async with connect(url) as client:
            return await client.do(msgspec.structs.replace(request, within=WITHIN_SECONDS))
    except NotFound:
        await records_of(log, request.run)  # says what is near
        raise


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
