"""Queueing: attempts of steps that name a task queue are left to its workers, and are in flight without a worker of this node.

An order says what is to be performed. Whether that is still wanted says the owner of the run, each time that a queue worker
asks it. So an order may lie in its queue for too long, or once more, without harm; and since orders are put again from time to
time, none is missing for long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal, Protocol

import anyio
from msgspec import UNSET, Raw, Struct, UnsetType

from ...actors.ports import Clock
from ...actors.shelf import Shelf
from ...eventlog.errors import NotFound
from ..authoring.retry import microseconds
from ..run.attempts import AttemptStanding
from ..run.commands import Begin, LookAtAttempt, StepBroke
from ..run.events import StepCompleted, StepDeferred, StepHeartbeat
from .elsewhere import Order, order_for

if TYPE_CHECKING:
    from .job import Job
    from .ports import TaskQueues

PUT_EVERY = 30.0
"""Seconds after which what is away is put again."""

TRIES = 5
"""So often an order is handed out to workers that are lost with it, or do not understand it; then it is poison."""

OUTCOMES = (StepCompleted, StepBroke, StepDeferred)
SAID: dict[str, type[Any]] = {each.__name__: each for each in (*OUTCOMES, StepHeartbeat)}
"""What queue workers say to runs, by name."""

Asked = Literal["begin", "go on", "not understood", "handed back"]
Word = Literal["begin", "later", "unwanted", "poison"]


class Taking(Struct, frozen=True, tag_field="request", tag="take", omit_defaults=True):
    """A queue worker has the order for an attempt, and asks what to do with it; while it performs it, whether to go on.

    `worker` and `started` (microseconds since 1970) tell one handing out of an order from every other.
    """

    stream: str
    id: str
    attempt: int
    keys: int
    worker: str
    started: int
    asks: Asked = "begin"


class Verdict(Struct, frozen=True, omit_defaults=True):
    """The answer: begin (or go on with) the attempt, hand the order back for later, or drop it because it is done with or poison."""

    word: Word
    before: Raw | UnsetType = UNSET
    """What an attempt before this one told last."""


class Away(Struct, eq=False):
    """An attempt whose order is in a queue, or with a queue worker."""

    queueing: Queueing
    job: Job
    order: Order
    begun: tuple[str, int] | None = None
    """Which worker began it last, and when by that worker's clock."""
    losses: int = 0
    """Workers that began it and were lost."""
    refusals: int = 0
    """How often a worker did not understand the order."""


class PoolPort(Protocol):
    """What is needed of the pool."""

    clock: Clock
    stopping: bool

    @property
    def shelf(self) -> Shelf: ...

    def fail(self, job: Job, started: int, error: BaseException) -> None: ...

    def landed(self, stream: str, id: str, attempt: int) -> None: ...


class Queueing:
    """All attempts of a node that are away."""

    def __init__(self, queues: TaskQueues, pool: PoolPort, ask: Callable[[str, Any], Awaitable[Any]]) -> None:
        self.queues = queues
        self.pool = pool
        self._ask = ask
        self._away: dict[tuple[str, str], Away] = {}
        self._patience: list[tuple[int, str, str]] = []
        """When attempts have waited too long for their beginning: a heap."""
        self._earlier = anyio.Event()

    @property
    def count(self) -> int:
        return len(self._away)

    def enter(self, queue: str, job: Job) -> None:
        """Leave an attempt to the workers of a queue."""
        if job.care is None:
            return
        order = order_for(queue, job, large_bytes=self.pool.shelf.large_bytes)
        job.care.away = self._away[job.stream, job.id] = Away(self, job, order)
        self.queues.put(order)
        if (limit := job.call.step.rules.start_within) is not None:
            heappush(self._patience, (job.care.asked_at + microseconds(limit), job.stream, job.id))
            self._earlier.set()

    def forget(self, away: Away) -> None:
        """The attempt is not in flight any more."""
        self._away.pop((away.job.stream, away.job.id), None)

    # -- what queue workers say ----------------------------------------------------------------------------------------

    async def judge(self, taking: Taking) -> Verdict:
        """What a queue worker is to do with an order; raises what the run's stream answers, such as Unavailable where it is another's."""
        try:
            standing: AttemptStanding = await self._ask(taking.stream, LookAtAttempt(taking.id, taking.attempt, taking.keys))
        except NotFound:
            return Verdict("unwanted")
        away = self._away.get((taking.stream, taking.id))
        if not standing.wanted:
            return Verdict("unwanted")
        if away is None or away.order.attempt != taking.attempt:
            return Verdict("later")  # it waits for a slot of its limit, or is another owner's in a moment
        mine = taking.worker, taking.started
        if taking.asks == "go on":
            away.begun = away.begun or mine
        elif taking.asks != "begin":
            return self._returned(away, taking)
        if taking.asks == "go on" or (away.begun == mine and away.losses < TRIES):
            return Verdict("begin", standing.heartbeat)
        return await self._hand_out(away, taking, standing.heartbeat) if standing.goes_on else Verdict("later")

    def heard(self, stream: str, command: Any) -> None:
        """A run has judged what a queue worker said of an attempt."""
        if isinstance(command, OUTCOMES):
            self.pool.landed(stream, command.id, command.attempt)

    def _returned(self, away: Away, taking: Taking) -> Verdict:
        if taking.asks == "handed back":
            if away.begun is not None and away.begun[0] == taking.worker:
                away.begun = None
            return Verdict("later")
        away.refusals += 1
        return Verdict("poison" if away.refusals >= TRIES else "later")

    async def _hand_out(self, away: Away, taking: Taking, before: Raw | UnsetType) -> Verdict:
        """To a worker that begins the attempt anew."""
        if away.job.call.step.rules.at_most_once:
            beginning = Begin(taking.id, taking.attempt, taking.started, taking.worker)
            if not await self._ask(taking.stream, beginning):
                self.pool.landed(taking.stream, taking.id, taking.attempt)
                return Verdict("unwanted")
        elif away.begun is not None:
            away.losses += 1
        away.begun = taking.worker, taking.started
        return Verdict("poison") if away.losses >= TRIES else Verdict("begin", before)

    # -- what is done in time ------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Put what is away again, and end what nobody has begun in its time, until cancelled."""
        put_at = anyio.current_time() + PUT_EVERY
        while True:
            if anyio.current_time() >= put_at:
                for away in tuple(self._away.values()):
                    self.queues.put(away.order)
                put_at = anyio.current_time() + PUT_EVERY
            self._end_late()
            pause = put_at - anyio.current_time()
            if self._patience:
                pause = min(pause, (self._patience[0][0] - self.pool.clock.now()) / 1e6 + 0.001)
            self._earlier = anyio.Event()
            with anyio.move_on_after(max(0.0, pause)):
                await self._earlier.wait()

    def _end_late(self) -> None:
        """Those that have waited for longer than their steps allow have failed."""
        now = self.pool.clock.now()
        while self._patience and self._patience[0][0] <= now:
            due, stream, id = heappop(self._patience)
            away = self._away.get((stream, id))
            limit = None if away is None else away.job.call.step.rules.start_within
            if away is None or limit is None or away.begun is not None or away.order.at + microseconds(limit) != due:
                continue
            self.queues.withdraw(away.order, stop=False)
            late = f"the attempt did not begin within {limit}: no worker took it from queue {away.order.queue!r}"
            self.pool.fail(away.job, now, TimeoutError(late))
