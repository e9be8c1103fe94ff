"""Two logs in memory that runs move between, each write of which may be the last one of whoever makes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from msgspec.structs import replace

from perdure.adapters.deciding_by_facts import deciding_by_facts
from perdure.adapters.moving.desk import Desk, decided_by
from perdure.eventlog.errors import Conflict, PerdureError, Unavailable
from perdure.eventlog.log import Log
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail
from perdure.runtime.requests import LookAtRun


class Mortal:
    """A log whose writer dies behind so many records: that one is written, its writer hears nothing, and writes no more."""

    def __init__(self, log: MemoryLog, lives: int) -> None:
        self._log = log
        self.lives = lives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        answers: list[Tail | Conflict] = []
        for append in appends:
            if self.lives > 0:
                answers += await self._log.append([append])
            self.lives -= 1
            if self.lives <= 0:
                raise Unavailable("the writer is dead")
        return answers


@asynccontextmanager
async def desk_of(log: MemoryLog, identity: str, *, lives: int = 1_000_000, epoch: int = 9) -> AsyncGenerator[tuple[Desk, Mortal]]:
    mortal = Mortal(log, lives)
    carrier = replace(log.carrier(epoch), log=cast("Log", mortal))
    async with deciding_by_facts(carrier) as dispatcher:
        yield Desk(carrier, decided_by(dispatcher, carrier), identity), mortal


async def lives_in(log: MemoryLog, run: str) -> bool:
    """Whether a log has a run of which it would decide anything."""
    async with desk_of(log, "", epoch=50) as (found, _):  # later than every other
        try:
            return (await found.do(LookAtRun(run=run))).status != "moved"
        except PerdureError:
            return False
