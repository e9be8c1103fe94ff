"""The carriers on which the corpus is played, each under a virtual clock of its own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

from msgspec import Raw

from perdure.adapters.nats.open import open_nats
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.faults import Dice, FaultyLog, What
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, sealed
from perdure.runtime.run.events import CODEC, Logged
from tests.corpus.aside import carried_aside
from tests.corpus.case import Case
from tests.corpus.ledger import Play, Played
from tests.corpus.release import RUNS, play
from tests.corpus.virtual import in_simulation, on_asyncio, on_trio

FAULTS: dict[What, float] = {"lost_reply": 0.1, "refusal": 0.1, "conflict": 0.1, "slow_before": 0.1, "slow_after": 0.1}
"""Rates per append of what the simulation's log does besides its work."""

logging.getLogger("perdure").addHandler(logging.NullHandler())  # faults are announced on purpose: nobody needs to read of them


class InMemory:
    """A log that outlives the runtimes upon it."""

    def __init__(self) -> None:
        self.log = MemoryLog()

    @asynccontextmanager
    async def opened(self, life: int) -> AsyncGenerator[Carrier]:
        yield self.log.carrier(epoch=life)


class InFile:
    """A SQLite file, opened anew by every life."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def opened(self, life: int) -> AbstractAsyncContextManager[Carrier]:
        return open_sqlite(self.path)


class Simulated:
    """A log in memory that loses replies, refuses, dawdles, and into which others write: each life has its own door to it."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.log = MemoryLog()
        self.happened: Counter[str] = Counter()

    @asynccontextmanager
    async def opened(self, life: int) -> AsyncGenerator[Carrier]:
        door = FaultyLog(self.log, Dice(Random(f"{self.seed}/{life}"), FAULTS, longest=1.0), foreign=another_hand)
        try:
            yield door.carrier(epoch=life)
        finally:
            self.happened.update(door.happened)


class InNats:
    """A namespace on a server, opened anew by every life."""

    def __init__(self, server: str, namespace: str) -> None:
        self.url = f"{server}/{namespace}"

    def opened(self, life: int) -> AbstractAsyncContextManager[Carrier]:
        return carried_aside(lambda: open_nats(self.url))


def another_hand(append: Append) -> Append | None:
    """A line that somebody else writes into the run first, so that our own append comes too late."""
    if not append.stream.startswith(RUNS):
        return None
    batch = CODEC.decode(append.data)
    return sealed(append.stream, append.expected, CODEC.encode(batch.at, batch.epoch, [Logged("info", "another hand", Raw(b"{}"))]), 1)


def in_memory(run: Play, folder: Path, kills: int = 0) -> Played:
    place = InMemory()
    return on_trio(lambda clock: play(run, place, clock, kills=kills))


def in_file(run: Play, folder: Path, kills: int = 0) -> Played:
    place = InFile(folder / f"{run.id}.db")
    return on_asyncio(lambda clock: play(run, place, clock, kills=kills))


def simulated(run: Play, folder: Path, kills: int = 0) -> Played:
    return play_simulated(run, Simulated(run.id), kills)


def play_simulated(run: Play, place: Simulated, kills: int = 0) -> Played:
    return in_simulation(run.seed, lambda clock: play(run, place, clock, kills=kills))


def in_nats(server: str, run: Play, kills: int = 0) -> Played:
    """On a server that runs already, in a namespace of its own."""
    place = InNats(server, uuid4().hex)
    return on_asyncio(lambda clock: play(run, place, clock, kills=kills))


CARRIERS: dict[str, Callable[[Play, Path, int], Played]] = {"memory": in_memory, "sqlite": in_file, "simulation": simulated}


def carriers_of(case: Case) -> dict[str, Callable[[Play, Path, int], Played]]:
    """Those on which the case can be played: a transactional step needs a log that is a database."""
    return {"sqlite": in_file} if case.is_transactional else CARRIERS
