"""Sending: a workflow signals or cancels another run. An effect like a step, performed once it is durable, again until it is answered.

Its command id is the effect's idempotency key, so a repeat after a crash counts once.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Protocol, cast

import msgspec
from msgspec import Raw

from ...eventlog.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from ...eventlog.streams import parts_of
from .driving import driver
from .effects import StepCall
from .retry import Retry
from .steps import Attempt, Step, current, step


class Outbox(Protocol):
    """How what a run sends reaches other runs of its tenant; returns when it is applied there."""

    async def signal(self, tenant: str, run: str, name: str, value: Raw, command: str) -> None: ...

    async def cancel(self, tenant: str, run: str, reason: str, command: str) -> None: ...

    async def webhook(self, stream: str, key: str, url: str, topic: str, data: Raw) -> str:
        """The id of the webhook that is durable now; under one key of a run's stream there is one."""
        ...


OUTBOX: ContextVar[Outbox] = ContextVar("perdure_outbox")

AGAIN = Retry(attempts=100_000, first=timedelta(seconds=1), longest=timedelta(minutes=1), on=(Unavailable, Conflict))


@step(name="perdure.signal_run", retry=AGAIN, raises=(NotFound, Refused, Invalid))
async def send_signal(run: str, name: str, value: Any) -> None:
    attempt = current()
    data = Raw(msgspec.json.encode(value, order="deterministic"))
    await OUTBOX.get().signal(_tenant(attempt), run, name, data, attempt.idempotency_key)


@step(name="perdure.cancel_run", retry=AGAIN, raises=(NotFound, Refused, Invalid))
async def send_cancel(run: str, reason: str) -> None:
    attempt = current()
    await OUTBOX.get().cancel(_tenant(attempt), run, reason, attempt.idempotency_key)


def _tenant(attempt: Attempt) -> str:
    return parts_of(attempt.stream)[1]


class Sending(StepCall[None]):
    """A message on its way to another run."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self.step.name.removeprefix("perdure.")


def signal_run(run: str, name: str, value: Any = None) -> Coroutine[object, object, None]:
    """Signal another run, by its id; NotFound or Refused where it is not there or has ended. Counts once, whatever crashes."""
    return _sending("signal_run()", send_signal, run, name, value)


def cancel_run(run: str, reason: str = "") -> Coroutine[object, object, None]:
    """Ask another run, by its id, to end; NotFound or Refused where it is not there or has ended already."""
    return _sending("cancel_run()", send_cancel, run, reason)


def _sending(word: str, sent: Step[..., None], *args: Any) -> Coroutine[object, object, None]:
    known = driver(word)
    raw, arguments = sent.arguments.pair(args, {})
    return cast("Coroutine[object, object, None]", Sending(sent, raw, arguments, known))
