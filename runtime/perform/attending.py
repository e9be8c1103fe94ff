"""Attempts that need more than to be run: the pool asks here before it begins one.

A plain step never comes here; what an attempt needs besides is known once its step is defined.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from msgspec import UNSET, Raw, Struct, UnsetType

from ...actors.ports import Clock
from ...eventlog.errors import PerdureError, Unavailable
from ..authoring.retry import microseconds
from ..run.commands import Begin
from ..run.events import StepHeartbeat

if TYPE_CHECKING:
    from .job import Job
    from .limiting import Turn
    from .queueing import Away

LOOKS = 4
"""How often, within a heartbeat's timeout, it is listened for; what was heard is recorded at every second of these times."""

LONGEST_PAUSE = 1.0
"""Seconds between two tries to have a beginning recorded while the log is away."""


class Care(Struct, eq=False):
    """What the pool keeps of such an attempt."""

    asked_at: int
    """When the run wanted it begun."""
    listens: bool = False
    """Whether its heartbeat is heard."""
    before: Raw | None = None
    """What an attempt before this one told last."""
    details: Raw | None = None
    """What it told last itself."""
    beats: int = 0
    told: int = 0
    """Heartbeats so far, and how many there were when the last was recorded."""
    late: TimeoutError | None = None
    """Why it was cut short, where that was not because of its timeout."""
    watch: anyio.CancelScope | None = None
    """That of who listens."""
    ended: bool = False
    """Nobody needs to listen any more."""
    asking: bool = False
    """Whether it waits until its beginning is recorded."""
    turn: Turn | None = None
    """What it has of its limit: a place among those who wait, or a slot."""
    away: Away | None = None
    """Where it is left to the workers of a task queue: what is known of it."""

    def beat(self, details: Raw) -> None:
        self.details = details
        self.beats += 1  # last: who sees the number sees the details

    def untold(self) -> Raw | UnsetType:
        """The details of the last heartbeat, where they are not recorded yet."""
        return UNSET if self.details is None or self.beats == self.told else self.details


class Attempts(Protocol):
    """What is needed of the pool."""

    post: Callable[[str, Any], None]

    clock: Clock
    owner: str
    stopping: bool

    @property
    def ask(self) -> Callable[[str, Any], Awaitable[Any]]: ...


async def begin(pool: Attempts, job: Job) -> bool:
    """Whether the attempt may begin now; TimeoutError where it has waited too long for that."""
    rules, now, care, facts = job.call.step.rules, pool.clock.now(), job.care, job.call.facts
    if care is None:
        return True
    care.listens = rules.heartbeat_timeout is not None
    care.before = None if facts is None or isinstance(facts.heartbeat, UnsetType) else facts.heartbeat
    if rules.start_within is not None and now - care.asked_at > microseconds(rules.start_within):
        raise TimeoutError(f"the attempt did not begin within {rules.start_within}")
    if not rules.at_most_once:
        return True
    care.asking = True
    try:
        return await _is_first(pool, job, now)
    finally:
        care.asking = False


def waits_elsewhere(job: Job) -> bool:
    """Whether the attempt is not in the pool's queue: it waits for a slot of its limit, or is left to the workers of a task queue."""
    care = job.care
    return care is not None and (care.away is not None or (care.turn is not None and not care.turn.given))


def is_away(job: Job) -> bool:
    """Whether it is left to the workers of a task queue, whoever owns its run."""
    return job.care is not None and job.care.away is not None


def runs_away(job: Job) -> bool:
    """Whether one of them has begun it."""
    return job.care is not None and job.care.away is not None and job.care.away.begun is not None


def withdraw(job: Job, *, stop: bool) -> None:
    """Take the order for an attempt back, if there is one; with `stop` an attempt that has begun ends, too."""
    if job.care is not None and (away := job.care.away) is not None:
        away.queueing.queues.withdraw(away.order, stop=stop)


def is_asking(job: Job) -> bool:
    """Whether it is not recorded yet that the attempt begins."""
    return job.care is not None and job.care.asking


def too_late(job: Job) -> TimeoutError:
    """Why an attempt that the run still wants was cancelled."""
    late = job.care.late if job.care is not None else None
    return late or TimeoutError(f"the attempt took longer than {job.call.step.timeout}")


def let_go(job: Job) -> None:
    """The attempt has ended: give back its slot. One that goes on elsewhere without this node keeps it, for the next owner to take over."""
    care = job.care
    if care is None:
        return
    away, turn, care.away, care.turn = care.away, care.turn, None, None
    goes_on = False
    if away is not None:
        goes_on = job.lost or away.queueing.pool.stopping
        away.queueing.forget(away)
    if turn is not None:
        turn.desk.leave(turn, goes_on=goes_on)


def unlimit(job: Job, scope: anyio.CancelScope) -> None:
    """The attempt has ended: it is listened for and limited no longer."""
    scope.deadline = math.inf
    let_go(job)
    if job.care is not None:
        job.care.ended = True
        if job.care.watch is not None:
            job.care.watch.cancel()


async def _is_first(pool: Attempts, job: Job, started: int) -> bool:
    """Whether this beginning of the attempt is recorded, and is the only one."""
    beginning, pause = Begin(job.id, job.attempt, started, pool.owner), 0.01
    while not (job.unwanted or pool.stopping):
        try:
            return bool(await pool.ask(job.stream, beginning))
        except Unavailable:  # it may be recorded or not: the same beginning, asked for again, gets its answer
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        except PerdureError:
            return False  # its run cannot be gone on with
    return False


async def listen(pool: Attempts, job: Job, care: Care, limit: timedelta) -> None:
    """Record what an attempt tells, and cut it short once it has been silent for `limit`; until it has ended."""
    with anyio.CancelScope() as care.watch:
        heard, since, looks = 0, anyio.current_time(), 0
        while not care.ended:
            await anyio.sleep(limit.total_seconds() / LOOKS)
            looks += 1
            if care.beats != heard:
                heard, since = care.beats, anyio.current_time()
            elif anyio.current_time() - since >= limit.total_seconds():
                care.late = TimeoutError(f"the attempt was silent for longer than {limit}")
                if job.scope is not None:
                    job.scope.cancel()
                return
            if looks % 2 == 0 and not isinstance(details := care.untold(), UnsetType):
                care.told = heard
                pool.post(job.stream, StepHeartbeat(job.id, job.attempt, details))
