"""Bugs to be planted into a process that is going to be killed: the kills must find each, or they prove nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from perdure.adapters.sqlite.log import SqliteLog
from perdure.eventlog.errors import Conflict
from perdure.eventlog.records import Append, Tail
from perdure.runtime.authoring.steps import Attempt


def answer_early() -> None:
    """The log answers before its records are durable."""

    async def append(self: SqliteLog, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self.writing._put(partial(self.writer.append, appends), None)
        return [append.tail for append in appends]

    replaced = "append"
    setattr(SqliteLog, replaced, append)


def draw_keys() -> None:
    """The idempotency key of a step is another one in every process."""
    replaced = "idempotency_key"
    setattr(Attempt, replaced, property(lambda self: f"{os.getpid()}-{self.effect}"))


BUGS: dict[str, Callable[[], None]] = {"answers early": answer_early, "draws keys": draw_keys}
