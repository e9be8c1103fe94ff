"""The runtime: one node that serves runs, and the methods by which they are started and steered."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, cast, overload

import anyio
from msgspec import Raw
from msgspec.structs import replace

from ..actors.losing import look_anew
from ..actors.mailbox import Letter
from ..actors.ref import Ref, Typed
from ..eventlog.errors import Invalid, Unavailable
from ..eventlog.receipts import receipt_of
from ..eventlog.streams import parts_of, stream_of
from .artifacts import Artifacts
from .assembly import Assembly
from .authoring.values import Shape
from .authoring.workflows import Workflow
from .calling.handle import OVER, here, too_slow
from .inspect.replay import fold
from .kinds.registry import served
from .life import living
from .listing import Listing
from .moves import must_be_taken
from .perform.handing import Handing
from .perform.passing import Neighbours, Passing
from .requests import (
    Answered,
    AnyRequest,
    Applied,
    AwaitRun,
    HoldRun,
    LookAtRun,
    MoveRunIn,
    PauseRun,
    QueryRun,
    RetryRun,
    SignalOrStartRun,
    SignalRun,
    StartDefinition,
    StartRun,
    UpdateRun,
)
from .requests.definitions import AnyDefined, AnyDefining
from .run import commands as cmd
from .run.live import Run
from .run.performing import Standing
from .translating import COMMANDS, applied, looked_at, must_make_sense, named_by_command, stream_for, with_result

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
C = TypeVar("C")
A = TypeVar("A")

logger = logging.getLogger("perdure")


class Runtime(Assembly, Artifacts, Listing, Handing):
    """Serves the runs of a carrier while `serving()` is open.

    One that does not `perform` is for a log that nobody serves: requests are judged and recorded, as anywhere, and code is driven;
    steps, errands and timers wait for whoever serves the log next, and no resource is needed or opened.
    """

    def join(self, neighbours: Neighbours) -> Passing:
        """From now on what concerns a stream of another node goes there; what comes back serves those others."""
        patience = self.settings.actors.ask_seconds
        self.passing = Passing(
            neighbours, self._do_here, self.dispatcher, self.kinds, self.command_id, patience, queueing=self.pool.queueing
        )
        return self.passing

    # -- life ----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Runtime]:
        """Serve runs; on the way out take no more commands, let steps end within the grace, and leave the rest to the next start."""
        try:
            async with living(self):
                yield self
        finally:
            self.dispatcher.leave()

    # -- what users call, beside what every caller may -----------------------------------------------------------------

    @overload
    def actor(self, kind: Typed[C, A], id: str, *, tenant: str = "default") -> Ref[C, A]: ...
    @overload
    def actor(self, kind: str, id: str, *, tenant: str = "default") -> Ref[Any, Any]: ...
    def actor(self, kind: Typed[Any, Any] | str, id: str, *, tenant: str = "default") -> Ref[Any, Any]:
        """The address of an actor of a kind that this runtime serves, given as itself (then `ask` knows its types) or by name."""
        return Ref(self.passing or self.dispatcher, stream_of(served(self.kinds, kind), tenant, id))

    def shape_of(self, workflow: str) -> Shape | None:
        """How results of a workflow decode; None where it is not known here."""
        versions = [known for (name, _), known in self.registry.by_key.items() if name == workflow]
        return versions[-1].returns if versions else None

    def confirm_clock(self) -> None:
        """Say that the wall clock is right, though it has jumped: timers, which were held, fire again by what it shows."""
        self.alarm.confirm_clock()

    # -- what it is asked ----------------------------------------------------------------------------------------------

    def _known(self, workflow: Workflow[..., Any]) -> Workflow[..., Any]:
        if self.registry.find(workflow.name, workflow.version) is not workflow:
            self.registry.newest(workflow.name)
        return workflow

    async def _begun(self, workflow: Workflow[..., Any], raw: Raw, request: StartRun) -> str:
        if self.passing is None:
            return (await self._begin(workflow, raw, request))[0]
        begun = await self.passing.do(self._with_id(request), partial(self._begun_here, workflow, raw))
        return cast("Applied", begun).run

    async def _begun_here(self, workflow: Workflow[..., Any], raw: Raw, request: AnyRequest) -> Applied:
        """Start a run for a caller in this process, who wants no more than its id: the arguments are in their stored form already."""
        id, letter = await self._begin(workflow, raw, cast("StartRun", request))
        standing: Standing = letter.value
        return Applied(id, standing.version, standing.status, standing.workflow)

    async def _define(self, request: AnyDefining) -> AnyDefined:
        return await self.keeping.do(request)

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        if isinstance(request, StartDefinition):
            request = await self.keeping.start_of(request)
        if self.passing is None:
            return await self._do_here(request)
        return await self.passing.do(self._with_id(request) if isinstance(request, StartRun) else request)

    def _with_id(self, request: StartRun) -> StartRun:
        """The start, with an id where it names none: by its command, or made up."""
        request = named_by_command(request)
        if request.run:
            return request
        id = self.ids.run_id(self.clock.now())
        stream = stream_of("run", request.tenant, id)
        if self.dispatcher.ownership.epoch(stream) is not None:
            self.dispatcher.storing.made_up(stream)
        return replace(request, run=id)

    async def _do_here(self, request: AnyRequest) -> Applied | Answered:
        if isinstance(request, StartRun):
            return await self._start(request)
        stream = stream_for(request)
        if isinstance(request, UpdateRun):
            return await self.conversations.update(stream, request)
        if isinstance(request, QueryRun):
            return await self.conversations.query(stream, request)
        if isinstance(request, AwaitRun):
            return await with_result(self.shelf, stream, applied(request.run, await self._end_of(stream, request)))
        if isinstance(request, RetryRun):
            command: cmd.Command = await self._retry(stream, request)
        elif isinstance(request, SignalRun):
            value, blob = await self.shelf.hold(stream, request.value, f"signal {request.name!r}")
            command = cmd.Signal(request.name, value, request.command, blob)
        else:
            if isinstance(request, MoveRunIn):
                await must_be_taken(self.carrier.log, request)
                look_anew(self.dispatcher, stream)
            command = COMMANDS[type(request)](request)
            if isinstance(command, cmd.Decide | cmd.Resume) and self.alarm.doubted():
                command = replace(command, believed=False)
        letter = await self.dispatcher.asked(stream, command, within=request.within)
        standing: Standing = letter.value
        if isinstance(request, HoldRun) or (isinstance(request, PauseRun) and request.wait):
            standing = await self._quiet(stream, request)
        reply = applied(parts_of(stream)[2], standing, receipt_of(stream, letter.tail))
        return looked_at(reply, standing) if isinstance(request, LookAtRun) else reply

    async def _start(self, request: StartRun) -> Applied:
        known, version = self.registry, request.version
        workflow = known.newest(request.workflow) if version is None else known.known_or_raise(request.workflow, version)
        id, letter = await self._begin(workflow, workflow.arguments.accept(bytes(request.arguments)), request)
        return applied(id, letter.value, receipt_of(stream_of("run", request.tenant, id), letter.tail))

    async def _begin(self, workflow: Workflow[..., Any], raw: Raw, request: StartRun) -> tuple[str, Letter]:
        """Start a run with arguments in their stored form; its id, made up where the request names none, and the answered letter."""
        request = named_by_command(request)
        must_make_sense(request)
        if request.on_end:
            self.delivering.check(request.on_end, request.tenant)
        id = request.run or self.ids.run_id(self.clock.now())
        stream = stream_of("run", request.tenant, id)
        raw, blob = await self.shelf.hold(stream, raw, f"workflow {workflow.name!r}, arguments")
        start = cmd.Start(
            workflow.name,
            workflow.version,
            raw,
            self.ids.seed(),
            request.command,
            start_at=self._in(request.delay) if request.delay > 0 else 0,
            deadline=0 if request.deadline is None else self._in(request.deadline),
            on_conflict=request.on_conflict,
            reuse=request.reuse,
            blob=blob,
            trace=request.trace,
            by=request.by,
            on_end=request.on_end,
        )
        command: cmd.Command = start
        if isinstance(request, SignalOrStartRun):
            value, named = await self.shelf.hold(stream, request.value, f"signal {request.signal!r}")
            command = cmd.SignalOrStart(start, request.signal, value, request.command, named)
        return id, await self.dispatcher.asked(stream, command, within=request.within)

    def _in(self, seconds: float) -> int:
        return self.clock.now() + round(seconds * 1e6)

    async def _retry(self, stream: str, request: RetryRun) -> cmd.Retry:
        """The command, `from_version` turned into how many arrivals the code had taken by then."""
        if request.from_version is None:
            return cmd.Retry(None, request.fresh_keys, request.command)
        records = [record async for record in self.carrier.log.read(stream)]
        length = records[-1].last if records else request.from_version
        if not 1 <= request.from_version <= length:
            raise Invalid("the run has no such version", who=f"run {request.run!r}", where="from_version", found=str(request.from_version),
                          expected=f"1 to {max(1, length)}", instead="choose one that 'perdure events' shows, or leave it out")
        facts = fold(stream, records, until=request.from_version)
        return cmd.Retry(facts.delivered, request.fresh_keys, request.command, facts.generation)

    async def _quiet(self, stream: str, request: PauseRun | HoldRun) -> Standing:
        """How the paused run stands once no step of it runs any more and all outcomes are recorded; for a move, no errand either."""
        with anyio.move_on_after(self.settings.actors.ask_seconds if request.within is None else request.within):
            await self.pool.quiet(stream)
            if isinstance(request, HoldRun):
                await self.courier.quiet(stream)
            return cast("Standing", await self.dispatcher.ask(stream, cmd.Look()))
        raise Unavailable("steps of the paused run still run", who=f"run {request.run!r}", where="pause", expected="their end in time",
                          found="at least one that goes on", instead="the run is paused; wait again, or cancel it")

    async def _end_of(self, stream: str, request: AwaitRun) -> Standing:
        end = self.performer.await_end(stream)
        try:
            known = self.dispatcher.peek(stream)
            if not isinstance(known, Run) or known.facts.phase != "running":
                standing: Standing = await self.dispatcher.ask(stream, cmd.Look())
                if standing.status in OVER:
                    return here(request.run, standing)
            if request.within is None:
                return here(request.run, await end.wait())
            with anyio.move_on_after(request.within):
                return here(request.run, await end.wait())
        finally:
            if not end.done:
                self.performer.await_no_more(stream, end)
        raise too_slow(request.run, request.within or 0)
