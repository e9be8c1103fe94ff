"""The pool: a bounded set of workers that perform steps.

Each worker is a task with one cancel scope for life. It sends a step's coroutine once in the step's own context; a step
that returns at once costs no task and no round of the loop. A step that waits keeps its worker, which first wakes or
hires the next one. So the number of workers is the bound on steps at once.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from types import coroutine
from typing import Any

import anyio
import anyio.abc
from anyio.lowlevel import checkpoint
from msgspec import UNSET, Raw

from ...actors.backoff import backoff
from ...actors.ports import Bell, Clock
from ...actors.shelf import Shelf
from ...eventlog.blobs import Blob
from ...eventlog.errors import Bug, PerdureError, TooLarge
from ...eventlog.transactions import Transactions
from ..authoring.effects import StepCall
from ..authoring.errors import CompleteLater, Failure, Fatal, failure_of
from ..authoring.retry import kinds_of
from ..authoring.steps import ATTEMPT, Step, attempt_of
from ..authoring.values import NOTHING
from ..run.commands import StepBroke
from ..run.events import StepCompleted, StepDeferred
from . import attending, elsewhere, transacting
from .attending import Care
from .elsewhere import FailedElsewhere
from .flights import Flights
from .interceptors import Around
from .job import FOR_GOOD, Job, Unwanted
from .limiting import Slots
from .ports import Processes, TaskQueues, Threads
from .queueing import Queueing

logger = logging.getLogger("perdure.runtime")
Gate = Callable[[Job], Coroutine[Any, Any, None] | None]

LONGEST_PAUSE = 5.0

STEPS_BETWEEN_RESTS = 64
"""A worker whose steps never wait lets the loop go on this often."""


class Pool(Flights):
    """Performs attempts and posts their outcomes as commands to their streams."""

    def __init__(
        self,
        post: Callable[[str, Any], None],
        ask: Callable[[str, Any], Awaitable[Any]],
        clock: Clock,
        threads: Threads,
        *,
        concurrency: int,
        owner: str,
        bell: Callable[[], Bell] = anyio.Event,
        shelf: Shelf | None = None,
        limiting: Slots | None = None,
        task_queues: TaskQueues | None = None,
        transactions: Transactions | None = None,
        processes: Processes | None = None,
        around: Around | None = None,
        stopping: bool = False,
    ) -> None:
        super().__init__()
        self.stopping = stopping
        self.post = post
        self.ask = ask
        self.clock = clock
        self.threads = threads
        self.concurrency = concurrency
        self.owner = owner
        self.shelf = shelf or Shelf()
        """Where large outcomes go."""
        self._bell = bell
        self.gate: Gate | None = None
        """What each attempt has to pass before it begins; None where it may at once. A simulation stops or notes it there."""
        self.around = around
        """The interceptors, where there are any."""
        self.transactions = transactions
        """Where transactional steps run, if the carrier has such."""
        self.processes = processes
        """Where steps run that ask for a process; without them in a thread."""
        self.limiting = limiting
        """Where attempts wait that need a slot of a limit."""
        self.queueing = None if task_queues is None else Queueing(task_queues, self, ask)
        """Where attempts go that are for a task queue; without it they are performed here."""
        self.attempts = 0
        """Attempts begun so far."""
        self._idle: list[Bell] = []
        self._to_call = concurrency
        """Workers that are idle, or not there yet."""
        self._group: anyio.abc.TaskGroup | None = None

    async def serve(self) -> None:
        """Perform until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            self._call_worker()
            await anyio.sleep_forever()

    def start(self, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        """Perform an attempt as soon as a worker is free, unless it is in flight already."""
        if self.stopping:
            return
        job = Job(stream, id, attempt, call)
        if (flying := self._flying.setdefault((stream, id), job)) is not job:
            if flying.lost or flying.attempt < attempt:
                flying.again = job
            return
        if call.step.is_special and not self._prepare(job):
            return
        self._queue.append(job)
        if self._to_call:
            self._call_worker()

    def _wait(self, job: Job) -> None:
        if not job.call.step.is_special or self._prepare(job):
            self._queue.append(job)
            self._call_worker()

    def _prepare(self, job: Job) -> bool:
        """Whether an attempt that needs more than to be run may go into the queue; else it is somewhere else first."""
        job.care, rules = Care(self.clock.now()), job.call.step.rules
        if rules.limit is None:
            return not self._gives_away(job)
        if self.limiting is None:
            raise Bug("a step with a limit, and nobody who asks for a slot", who="Pool", found=job.call.step.name)
        self.limiting.enter(self, job)
        return False

    def admit(self, job: Job) -> None:
        """An attempt that waited elsewhere may begin: it is the next, because what it holds others wait for."""
        if not self._gives_away(job):
            self._queue.appendleft(job)
            self._call_worker()

    def _gives_away(self, job: Job) -> bool:
        """Whether the attempt is left to the workers of a task queue."""
        queue = job.call.step.rules.queue
        if queue is None or self.queueing is None:
            return False
        self.queueing.enter(queue, job)
        return True

    # -- workers -------------------------------------------------------------------------------------------------------

    def _call_worker(self) -> None:
        """Make sure that somebody takes the next job, if the bound allows."""
        if not self._queue or self._group is None:
            return
        if self._to_call:
            self._to_call -= 1
            if self._idle:
                self._idle.pop().set()
            else:
                self._group.start_soon(self._worker)

    async def _worker(self) -> None:
        """Serve until cancelled; a worker whose scope was cancelled for one job is spent."""
        try:
            with anyio.CancelScope() as scope:
                while True:
                    await self._work(scope)
                    if self._queue or scope.cancel_called:
                        await checkpoint()
                    else:
                        woken = self._bell()
                        self._idle.append(woken)
                        self._to_call += 1
                        await woken.wait()
        finally:
            self._to_call += 1
            if not self.stopping:
                self._call_worker()

    @coroutine
    def _work(self, scope: anyio.CancelScope) -> Generator[Any, Any, None]:  # noqa: C901, PLR0912, PLR0915 - one piece, as told below
        """Perform what is queued, until nothing is or others should have their turn.

        Every step of every run passes here, so it is one frame: a generator between the step's coroutine, in its own context, and the loop.
        """
        queue, flying, now, owner = self._queue, self._flying, self.clock.now, self.owner
        around, large_bytes = self.around, self.shelf.large_bytes
        for _ in range(STEPS_BETWEEN_RESTS):
            if not queue:
                return
            job = queue.popleft()
            if job.unwanted:
                self._land(job)
                continue
            call, job.scope = job.call, scope
            step, is_limited = call.step, call.step.is_limited
            if step.is_special and not (yield from self._admit(job).__await__()):
                if scope.cancel_called:
                    return
                continue
            if self.gate is not None and (opens := self.gate(job)) is not None:
                yield from self._pass(opens, job).__await__()
            started = now()
            self.attempts += 1
            ATTEMPT.set(job)
            run = copy_context().run
            try:
                if around is None or step.is_transactional:
                    body = step.function(*call.arguments) if step.is_plain else self._begin(job, step, call.arguments)
                else:
                    body = around(attempt_of(job), partial(self._begin, job, step, call.arguments))
                value = None
                try:
                    wish = run(body.send, None)
                    if queue and self._to_call:
                        self._call_worker()
                    if is_limited:
                        self._limit(job, scope)
                    while True:
                        try:
                            answer = yield wish
                        except BaseException as error:  # a cancellation, or the error of what was waited for: the step's to see
                            wish = run(body.throw, error)
                        else:
                            wish = run(body.send, answer)
                except StopIteration as stop:
                    value = stop.value
                finally:
                    if is_limited:
                        attending.unlimit(job, scope)
                if is_limited and scope.cancel_called and not job.unwanted:
                    raise attending.too_late(job)  # a plain function cannot be stopped: it returned, but too late
                known: Any = None if step.is_transactional else step.returns.pair(value)
                raw, blob = value if known is None else known[0], None
                if len(raw) > large_bytes:
                    raw, known, blob = yield from self._kept(job, raw, known).__await__()
                call.outcome = known
            except BaseException as error:
                if self._is_spent(job, scope, started, error):
                    raise
            else:
                if job.again is None and self._quiet is None:
                    del flying[job.stream, job.id]
                else:
                    self._land(job, told=True)
                stored = () if job.artifacts is None else tuple(job.artifacts)
                self.post(job.stream, StepCompleted(job.id, job.attempt, raw, started, now(), owner, "", blob, stored))
            if (is_limited or job.unwanted) and _has_cancelled(job, scope):
                return

    async def _pass(self, opens: Awaitable[None], job: Job) -> None:
        """Wait at the gate until it opens; an attempt that is cancelled there has landed."""
        try:
            await opens
        except BaseException:
            self._land(job)
            raise

    async def _admit(self, job: Job) -> bool:
        """Whether an attempt that needs more than to be run may begin; where not, it has landed."""
        asked, may_begin = self.clock.now(), False
        try:
            may_begin = await attending.begin(self, job)
        except TimeoutError as late:
            self.fail(job, asked, late)
        except BaseException:
            self._land(job)
            raise
        else:
            if not may_begin:
                self._land(job)
        return may_begin

    def _limit(self, job: Job, scope: anyio.CancelScope) -> None:
        """From now on the attempt, which waits, is cancelled when it takes too long."""
        rules = job.call.step.rules
        if rules.timeout is not None:
            scope.deadline = anyio.current_time() + rules.timeout.total_seconds()
        if rules.heartbeat_timeout is not None and job.care is not None and self._group is not None:
            self._group.start_soon(attending.listen, self, job, job.care, rules.heartbeat_timeout)

    def _begin(self, job: Job, step: Step[..., Any], arguments: tuple[Any, ...]) -> Any:
        """The coroutine of an attempt that is not simply called; nothing of it has run yet."""
        if step.is_transactional:
            return transacting.transacted(self, job)
        if step.rules.executor == "process" and self.processes is not None:
            return self._elsewhere(self.processes, job)
        args, kwargs = step.arguments.split(arguments)
        return step.function(*args, **kwargs) if step.is_async else self.threads.run(step.function, *args, **kwargs)

    async def _kept(self, job: Job, raw: Raw, known: tuple[Raw, Any] | None) -> tuple[Raw, tuple[Blob, Any] | None, Blob]:
        """A large outcome, its name in its place, once it is durable, however long that takes: the step has run, and is not to blame."""
        failures = 0
        while True:
            try:
                blob = await self.shelf.put(job.stream, bytes(raw), f"step {job.call.step.name!r}, return value")
                return NOTHING, known and (blob, known[1]), blob
            except TooLarge:
                raise
            except PerdureError as away:
                logger.warning("the outcome of %s of %s cannot be written: %r", job.id, job.stream, away)
                failures += 1
                await anyio.sleep(backoff(failures, first=0.05, longest=LONGEST_PAUSE))

    @staticmethod
    async def _elsewhere(processes: Processes, job: Job) -> Any:
        report = await processes.run(elsewhere.order(job.stream, job.id, job.attempt, job.call))
        return elsewhere.value_of(job.call, report)

    def _is_spent(self, job: Job, scope: anyio.CancelScope, started: int, error: BaseException) -> bool:
        """Post what it means that the attempt raised; whether the worker has to end with it."""
        cancelled = scope.cancel_called
        if isinstance(error, CompleteLater):
            self._land(job)
            self.post(job.stream, StepDeferred(job.id, job.attempt))
            return False
        its_own = not cancelled and _is_its_own(error)
        if its_own or isinstance(error, Exception | SystemExit):
            self.fail(job, started, error)
            return False
        if not cancelled or job.lost:
            self._land(job)
        else:
            self.fail(job, started, Unwanted("the run no longer wants the step") if job.unwanted else attending.too_late(job))
        return True

    def fail(self, job: Job, started: int, error: BaseException) -> None:
        """The attempt has ended by an error: tell the run."""
        self._land(job, told=True)
        retry = None if isinstance(error, FOR_GOOD) else job.call.step.retry
        failure, kinds = failure_of(error), kinds_of(error)
        if isinstance(error, Unwanted):
            failure = Failure("Cancelled", str(error))
        elif isinstance(error, FailedElsewhere):
            report = error.report
            failure, kinds, retry = report.failure or failure, report.kinds, None if report.for_good else retry
        if not isinstance(error, Unwanted):
            unforeseen = not isinstance(error, (Fatal, *job.call.step.raises)) and (retry is None or job.attempt >= retry.attempts)
            logger.log(logging.WARNING if unforeseen else logging.INFO, "attempt %d of step %r (%s of %s) failed", job.attempt,
                       job.call.step.name, job.id, job.stream, exc_info=error)
        told = UNSET if job.care is None else job.care.untold()
        broke = StepBroke(job.id, job.attempt, failure, started, self.clock.now(), self.owner, retry, kinds, told)
        self.post(job.stream, broke)


def _has_cancelled(job: Job, scope: anyio.CancelScope) -> bool:
    """The attempt is over; whether the worker, too, has to end, because its scope was cancelled for it."""
    job.scope = None
    return scope.cancel_called


def _is_its_own(error: BaseException) -> bool:
    """Whether a cancellation was raised by the step itself, for example by a task that it cancelled and then awaited."""
    return isinstance(error, anyio.get_cancelled_exc_class()) and anyio.current_effective_deadline() != -math.inf
