"""Attempts that need more than to be run: the pool asks here before it begins one.

A plain step never comes here; what an attempt needs besides is known once its step is defined.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from msgspec import Struct

from ...actors.ports import Clock
from ...eventlog.errors import PerdureError, Unavailable
from ..authoring.retry import microseconds
from ..run.commands import Begin

if TYPE_CHECKING:
    from .pool import Job

LONGEST_PAUSE = 1.0
"""Seconds between two tries to have a beginning recorded while the log is away."""


class Care(Struct, eq=False):
    """What the pool keeps of such an attempt."""

    asked_at: int
    """When the run wanted it begun."""


class Attempts(Protocol):
    """What is needed of the pool."""

    clock: Clock
    owner: str
    stopping: bool

    @property
    def ask(self) -> Callable[[str, Any], Awaitable[Any]]: ...


async def begin(pool: Attempts, job: Job) -> bool:
    """Whether the attempt may begin now; TimeoutError where it has waited too long for that."""
    rules, now = job.call.step.rules, pool.clock.now()
    if rules.start_within is not None and job.care is not None and now - job.care.asked_at > microseconds(rules.start_within):
        raise TimeoutError(f"the attempt did not begin within {rules.start_within}")
    return not rules.at_most_once or await _is_first(pool, job, now)


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
