"""The assembly: the parts of one node, each made of those above it.

Two knots remain, and are tied last of all, because deciders say what is to be done, and what does it speaks to deciders: the performer
and the quarantine are made before the dispatcher, and hear of it, and of what performs, behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from ..actors.dispatcher import Dispatcher
from ..actors.kind import Kind
from ..actors.ports import Bell, Clock, Ownership
from ..actors.shelf import Shelf
from ..actors.storing import Shared
from ..eventlog.log import Carrier, Summary
from .authoring.workflows import Registry, Workflow
from .calling.conversations import Conversations
from .definitions.interpreter import Interpreter
from .definitions.keeping import DefinitionKeeping
from .definitions.types import Types
from .kinds.access import Access
from .kinds.definition import Definitions
from .kinds.delivery import Deliveries
from .kinds.limit import Limits
from .kinds.people import People
from .kinds.quarantine import Quarantine
from .kinds.registry import by_name
from .perform.alarm import Alarm, time_of_loop
from .perform.auditor import Auditor
from .perform.courier import Courier
from .perform.delivering import Delivering, Post
from .perform.interceptors import Interceptor, chain
from .perform.limiting import Limiting
from .perform.passing import Passing
from .perform.performer import Performer
from .perform.pool import Pool
from .perform.ports import Ids, Processes, TaskQueues, Threads
from .perform.quarantining import Quarantining
from .perform.retaining import Retaining
from .perform.watching import Watching
from .resources import Resources, check_transactional, checked
from .run import commands as cmd
from .run.machine.shell import outside_loop
from .run.performing import Standing
from .run.runs import Runs
from .settings.node import Settings

logger = logging.getLogger("perdure")


class Assembly:
    """The parts, and how they reach actors wherever those are."""

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
        processes: Processes | None = None,
        post: Post | None = None,
        shared: Shared | None = None,
        bell: Callable[[], Bell] = anyio.Event,
        steady: Callable[[], int] = time_of_loop,
        types: Types | None = None,
        performs: bool = True,
        pool: Callable[..., Pool] = Pool,
    ) -> None:
        self.carrier, self.clock, self.ids, self.performs = carrier, clock, ids, performs
        self.settings = settings or Settings()
        if self.settings.watch_workflows:
            from .inspect.checking.auditing import warn_of_io

            warn_of_io()
        self.passing: Passing | None = None
        """Where this node has neighbours: how what is theirs reaches them."""
        self._last_command = 0
        self._left_alone: set[str] = set()

        self.keeping = DefinitionKeeping(self.ask_actor, carrier.heads, types or Types(), lambda: self.registry, threads)
        interpreter = Interpreter(self.keeping.types, self.keeping.find)
        self.registry = interpreter.registry = Registry(workflows, interpreter.workflow)
        known, queued = self.registry.by_key.values(), task_queues is not None
        self.resources: Resources = checked(resources or {}, known, queued=queued) if performs else {}
        check_transactional(carrier.transactions, known)

        self.performer = Performer(clock, bell)
        self.shelf = Shelf(carrier.blobs, large_bytes=self.settings.large_bytes, value_bytes_max=self.settings.value_bytes_max)
        self.limiting = Limiting(self.ask_actor, f"{ownership.owner}:{carrier.epoch}")
        self.quarantining = Quarantining(carrier, self.ask_actor)
        webhooks = self.settings.webhooks
        self.delivering = Delivering(self._tell_actor, clock, post, at_once=webhooks.batch, within=webhooks.timeout_seconds)

        self.kinds = by_name(*self._own_kinds(), *kinds)
        self.dispatcher = dispatcher = Dispatcher(
            carrier.log, carrier.snapshots, self.kinds, clock, ownership, settings=self.settings.actors, pure=outside_loop, bell=bell,
            shelf=self.shelf, shared=shared,
        )  # fmt: skip
        self.pool = pool(
            dispatcher.post, dispatcher.ask, clock, threads, concurrency=self.settings.worker_concurrency, owner=ownership.owner,
            bell=bell, shelf=self.shelf, limiting=self.limiting, task_queues=task_queues, transactions=carrier.transactions,
            processes=processes, around=chain(interceptors), stopping=not performs,
        )  # fmt: skip
        self.alarm = Alarm(
            carrier.heads, clock, dispatcher.post, ask=dispatcher.ask, is_awake=dispatcher.is_awake, serves=self._serves, steady=steady
        )
        self.retaining = Retaining(carrier, dispatcher, self.settings.artifacts, doubted=self.alarm.doubted)
        self.courier = Courier(self._ask_run, dispatcher.post, self.shelf)
        self.auditor = Auditor(dispatcher, self.quarantining, self.settings.audit_seconds)
        self.conversations = Conversations(dispatcher, self.performer, carrier.log, self.registry, threads, name=self.command_id)
        self.watching = Watching(carrier.log)
        self.performer.connect(self.pool, self.alarm, self.courier, self.retaining, dispatcher.mail_of)
        self.quarantining.watch(dispatcher)

    def _own_kinds(self) -> Iterable[Kind[Any, Any, Any]]:
        webhooks, wake_at = self.settings.webhooks, self.performer.wake_at
        yield Runs(self.registry, self.performer, self.shelf)
        yield Limits(self.limiting.given, wake_at)
        yield Quarantine(self.quarantining.look)
        yield Deliveries(webhooks.policy, self.delivering.deliver, self.delivering.leave, wake_at, self.clock.now)
        yield from (Definitions(), Access(), People())

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

    def command_id(self, stream: str) -> str:
        """An id for a command that came without one: this opening of the log, and a number that says when, so that it can grow old."""
        self._last_command = max(self._last_command + 1, self.clock.now())
        return f"{self.dispatcher.ownership.owner}:{self.dispatcher.ownership.epoch(stream)}/{self._last_command}"
