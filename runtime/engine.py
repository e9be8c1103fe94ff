"""The runtime: one node that serves runs, and the methods by which they are started and steered."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, cast, overload

import anyio
from msgspec import Raw
from msgspec.structs import replace

from ..actors.dispatcher import Dispatcher
from ..actors.kind import Kind
from ..actors.losing import look_anew
from ..actors.mailbox import Letter
from ..actors.ports import Bell, Clock, Ownership
from ..actors.ref import Ref, Typed
from ..actors.shelf import Shelf
from ..eventlog.errors import Unavailable
from ..eventlog.log import Carrier, Summary
from ..eventlog.receipts import receipt_of
from ..eventlog.streams import parts_of, stream_of
from .authoring.values import Shape
from .authoring.workflows import Registry, Workflow
from .calling.conversations import Conversations
from .calling.handle import OVER, here, too_slow
from .definitions.interpreter import Interpreter
from .definitions.keeping import Keeping
from .definitions.types import Types
from .inspect.replay import fold
from .kinds.access import Access
from .kinds.definition import Definitions
from .kinds.delivery import Deliveries
from .kinds.limit import Limits
from .kinds.people import People
from .kinds.quarantine import Quarantine
from .kinds.registry import by_name, served
from .life import living
from .listing import Listing
from .moves import must_be_taken
from .perform.alarm import Alarm, time_of_loop
from .perform.auditor import Auditor
from .perform.courier import Courier
from .perform.delivering import Delivering
from .perform.handing import Handing
from .perform.interceptors import Interceptor, chain
from .perform.limiting import Limiting
from .perform.passing import Neighbours, Passing
from .perform.performer import Performer
from .perform.pool import Pool
from .perform.ports import Ids, TaskQueues, Threads
from .perform.quarantining import Quarantining
from .perform.queueing import Queueing
from .perform.watching import Watching
from .requests import (
    Answered,
    AnyRequest,
    Applied,
    AwaitRun,
    HoldRun,
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
from .resources import Resources, check_transactional, checked
from .run import commands as cmd
from .run.live import Run
from .run.machine.shell import outside_loop
from .run.performing import Standing
from .run.runs import Runs
from .settings import Settings
from .storing import Storing
from .translating import COMMANDS, applied, must_make_sense, stream_for, with_result

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
C = TypeVar("C")
A = TypeVar("A")

logger = logging.getLogger("perdure")


class Runtime(Listing, Storing, Handing):
    """Serves the runs of a carrier while `serving()` is open.

    One that does not `perform` is for a log that nobody serves: requests are judged and recorded, as anywhere, and code is driven;
    steps, errands and timers wait for whoever serves the log next, and no resource is needed or opened.
    """

    def __init__(
        self,
        carrier: Carrier,
        workflows: Iterable[Workflow[..., Any]],
        *,
        clock: Clock,
        ids: Ids,
        threads: Threads,
        ownership: Ownership,
        settings: Settings | None = None,
        kinds: Iterable[Kind[Any, Any, Any]] = (),
        resources: Resources | None = None,
        interceptors: Iterable[Interceptor] = (),
        task_queues: TaskQueues | None = None,
        bell: Callable[[], Bell] = anyio.Event,
        steady: Callable[[], int] = time_of_loop,
        types: Types | None = None,
        performs: bool = True,
    ) -> None:
        self.carrier = carrier
        self.performs = performs
        self.keeping = Keeping(self.ask_actor, carrier.heads, types or Types(), lambda: self.registry, threads)
        interpreter = Interpreter(self.keeping.types, self.keeping.find)
        self.registry = interpreter.registry = Registry(workflows, interpreter.workflow)
        queued = task_queues is not None
        self.resources: Resources = checked(resources or {}, self.registry.by_key.values(), queued=queued) if performs else {}
        check_transactional(carrier.transactions, self.registry.by_key.values())
        self.around = chain(interceptors)
        self._left_alone: set[str] = set()
        self.settings = settings or Settings()
        if self.settings.watch_workflows:
            from .inspect.checking.auditing import warn_of_io

            warn_of_io()
        self.clock = clock
        self.ids = ids
        self.performer = Performer(clock, bell)
        self.shelf = Shelf(carrier.blobs, large_bytes=self.settings.large_bytes, value_bytes_max=self.settings.value_bytes_max)
        self.limiting = Limiting(self.ask_actor, f"{ownership.owner}:{carrier.epoch}")
        limits = Limits(self.limiting.given, self.performer.wake_at)
        self.quarantining = Quarantining(carrier, self.ask_actor)
        webhooks = self.settings.webhooks
        self.delivering = Delivering(self._tell_actor, clock, at_once=webhooks.batch, within=webhooks.timeout_seconds)
        deliveries = Deliveries(
            webhooks.policy, self.delivering.deliver, self.delivering.leave, self.performer.wake_at, clock.now
        )
        runs, quarantine = Runs(self.registry, self.performer, self.shelf), Quarantine(self.quarantining.look)
        self.kinds = by_name(runs, limits, quarantine, deliveries, Definitions(), Access(), People(), *kinds)
        self.dispatcher = dispatcher = Dispatcher(
            carrier.log, carrier.snapshots, self.kinds, clock, ownership, settings=self.settings.actors, pure=outside_loop, bell=bell,
            shelf=self.shelf,
        )  # fmt: skip
        concurrency = self.settings.worker_concurrency
        self.pool = Pool(dispatcher.post, dispatcher.ask, clock, threads, concurrency=concurrency, owner=ownership.owner, bell=bell)
        self.pool.shelf, self.pool.limiting = self.shelf, self.limiting
        self.pool.transactions = carrier.transactions
        self.pool.stopping = not performs
        self.queueing = None if task_queues is None else Queueing(task_queues, self.pool, dispatcher.ask)
        self.pool.queueing = self.queueing
        self.alarm = Alarm(
            carrier.heads, clock, dispatcher.post, ask=dispatcher.ask, is_awake=dispatcher.is_awake, serves=self._serves, steady=steady
        )
        self.courier = Courier(self._ask_run, dispatcher.post, self.shelf)
        self.quarantining.watch(dispatcher)
        self.auditor = Auditor(dispatcher, self.quarantining, self.settings.audit_seconds)
        self.performer.connect(self.pool, self.alarm, self.courier, self.dispatcher.mail_of)
        self.conversations = Conversations(dispatcher, self.performer, carrier.log, self.registry, threads, name=self._command_id)
        self._last_command = 0
        self.passing: Passing | None = None
        self.watching = Watching(carrier.log)

    def join(self, neighbours: Neighbours) -> Passing:
        """From now on what concerns a stream of another node goes there; what comes back serves those others."""
        patience = self.settings.actors.ask_seconds
        self.passing = Passing(neighbours, self._do_here, self.dispatcher, self.kinds, self._command_id, patience)
        self.passing.queueing = self.queueing
        return self.passing

    async def _ask_run(self, stream: str, command: cmd.Command) -> Standing:
        """What one run has to say to another."""
        if isinstance(command, cmd.Start):
            self.registry.known_or_raise(command.workflow, command.version)
        answer: Standing = await (self.passing or self.dispatcher).ask(stream, command)
        return answer

    async def ask_actor(self, stream: str, command: Any) -> Any:
        """What a part of this node has to say to an actor, wherever that is."""
        return await self.courier.ask(stream, command)

    def _tell_actor(self, stream: str, command: Any) -> None:
        """Leave a command with an actor of this node."""
        self.dispatcher.post(stream, command)

    def _serves(self, summary: Summary) -> bool:
        """Whether a stream is one to wake here: runs of workflows that only another program knows are left to it."""
        title = summary.head.title
        if not summary.stream.startswith("run/") or title in self.registry.known:
            return True
        if title not in self._left_alone:
            self._left_alone.add(title)
            known = self.registry.names() or "none"
            logger.warning("runs of workflow %r are left alone: it is not registered here (known: %s)", title, known)
        return False

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
        return (await self._begin(workflow, raw, request))[0] if self.passing is None else (await self.do(request)).run

    async def _define(self, request: AnyDefining) -> AnyDefined:
        return await self.keeping.do(request)

    async def _do(self, request: AnyRequest) -> Applied | Answered:
        if isinstance(request, StartDefinition):
            request = await self.keeping.start_of(request)
        if self.passing is None:
            return await self._do_here(request)
        if isinstance(request, StartRun) and not request.run:
            request = replace(request, run=self.ids.run_id(self.clock.now()))
        return await self.passing.do(request)

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
        letter = await self.dispatcher.asked(stream, command, within=request.within)
        standing: Standing = letter.value
        if isinstance(request, HoldRun) or (isinstance(request, PauseRun) and request.wait):
            standing = await self._quiet(stream, request)
        return applied(parts_of(stream)[2], standing, receipt_of(stream, letter.tail))

    async def _start(self, request: StartRun) -> Applied:
        if request.version is None:
            workflow = self.registry.newest(request.workflow)
        else:
            workflow = self.registry.find(request.workflow, request.version) or self.registry.newest(request.workflow)
        id, letter = await self._begin(workflow, workflow.arguments.accept(bytes(request.arguments)), request)
        return applied(id, letter.value, receipt_of(stream_of("run", request.tenant, id), letter.tail))

    async def _begin(self, workflow: Workflow[..., Any], raw: Raw, request: StartRun) -> tuple[str, Letter]:
        """Start a run with arguments in their stored form; its id, made up where the request names none, and the answered letter."""
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

    def _command_id(self, stream: str) -> str:
        """An id for a command that came without one: this opening of the log, and a number that says when, so that it can grow old."""
        self._last_command = max(self._last_command + 1, self.clock.now())
        return f"{self.dispatcher.ownership.owner}:{self.dispatcher.ownership.epoch(stream)}/{self._last_command}"

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
