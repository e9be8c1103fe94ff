"""Transactional steps: called where the log is written, in the transaction that keeps their outcome.

The key of the attempt is the key of the kept outcome: whoever performs the step again, after a crash or a lost answer, is given
that outcome, and the function is not called. So only an outcome that was committed is ever told to the run, and all that is
decided about an attempt while it runs (a cancel, a limit of time) waits for the transaction's end.
"""

from __future__ import annotations

import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from msgspec import Raw

from ...eventlog.errors import Bug, Invalid, TooLarge, Unavailable
from ...eventlog.transactions import Transactions, Undone
from ..authoring.errors import CompleteLater
from ..authoring.rules import without_transactions
from ..authoring.steps import attempt_of
from .interceptors import Around

if TYPE_CHECKING:
    from ...actors.shelf import Shelf
    from .job import Job

logger = logging.getLogger("perdure.runtime")

LONGEST_PAUSE = 1.0
"""Seconds between two tries to reach a log that is away."""


class Transacting(Protocol):
    """What is needed of the pool."""

    transactions: Transactions | None
    around: Around | None

    @property
    def shelf(self) -> Shelf: ...


async def transacted(pool: Transacting, job: Job) -> Raw:
    """The committed outcome of the step, as JSON. Interceptors see the step's value; what they make of it comes too late to count."""
    committed: list[Raw] = []

    async def begin() -> Any:
        committed.append(await _committed(pool, job))
        return job.call.step.returns.decode(committed[0])

    if pool.around is None:
        return await _committed(pool, job)
    try:
        await pool.around(attempt_of(job), begin)
    except BaseException as error:
        if not committed or isinstance(error, GeneratorExit):
            raise
        logger.warning("an interceptor raised behind transactional %s of %s, whose outcome stays: %r", job.id, job.stream, error)
    if not committed:
        raise Invalid("an interceptor did not begin a transactional step, and did not raise", who=f"step {job.call.step.name!r}",
                      where="interceptors", expected="await call_next()", found="another outcome", instead="raise to have the attempt fail")
    return committed[0]


async def _committed(pool: Transacting, job: Job) -> Raw:
    step, transactions = job.call.step, pool.transactions
    if transactions is None:
        raise Invalid(**without_transactions(step.name))
    if step.timeout is None:
        raise Bug("a transactional step without a timeout", who=f"step {step.name!r}")
    context, seconds, key = copy_context(), step.timeout.total_seconds(), attempt_of(job).idempotency_key
    args, kwargs = step.arguments.split(job.call.arguments)

    def work(db: Any) -> bytes:
        try:
            value = context.run(step.function, db, *args, **kwargs)
        except CompleteLater as later:
            raise _cannot_be_left(step.name) from later
        raw = step.returns.encode(value)
        if len(raw) > pool.shelf.large_bytes:
            raise _too_large(step.name, len(raw), pool.shelf.large_bytes)
        return bytes(raw)

    pause = 0.01
    while True:
        try:
            with anyio.CancelScope(shield=True):
                return Raw(await transactions.once(job.stream, key, work, seconds=seconds))
        except Undone as undone:
            raise undone.error from None
        except Unavailable as away:  # it has run or not: the same key tells
            logger.warning("transactional %s of %s cannot be written: %r", job.id, job.stream, away)
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _cannot_be_left(name: str) -> Invalid:
    return Invalid("a transactional step cannot be ended later", who=f"step {name!r}", expected="a value, committed with the rows",
                   found="CompleteLater", instead="raise it in an ordinary step behind this one")


def _too_large(name: str, size: int, most: int) -> TooLarge:
    return TooLarge("the outcome of a transactional step is too large", who=f"step {name!r}, return value", where="$",
                    expected=f"at most {most} bytes of JSON", found=f"{size} bytes", instead="keep it in a row, and return the row's key")
