"""A run of a definition whose process ends at each of its records in turn: one record lasts, the next is lost, and so on to the end.

A life is a whole runtime on a carrier that is opened anew. It ends by a log that lets nothing through any more, so nothing that it
still does lasts, as if it were killed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import anyio
from msgspec import Struct
from msgspec.structs import replace

from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.errors import Conflict, PerdureError, Unavailable
from perdure.eventlog.log import Carrier, Cursor, Log, Version
from perdure.eventlog.records import Append, Record, Tail
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import CODEC, Recovered
from perdure.runtime.settings.node import Settings
from tests.runtime.definitions.describing import types

RUN = "r"
STREAM = f"run/default/{RUN}"
LIVES_MAX = 5000
PATIENCE = timedelta(seconds=60)

Opened = Callable[[], AbstractAsyncContextManager[Carrier]]


class Lived(Struct):
    """What a run came to: its content digest, its result, its records, and how often it was killed."""

    content: str
    result: Any
    records: int
    events: int
    kills: int


class DyingLog:
    """Lets `lasting` records of the run through, beside those that a new owner writes; from the next one on nothing."""

    def __init__(self, log: Log, lasting: int) -> None:
        self._log = log
        self._left = lasting
        self.dead = anyio.Event()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        if self._left <= 0 and any(map(_goes_on, appends)):
            self.dead.set()
        if self.dead.is_set():
            raise Unavailable("the process is gone", who="DyingLog")
        answers = await self._log.append(appends)
        self._left -= sum(isinstance(answer, Tail) and _goes_on(one) for one, answer in zip(appends, answers, strict=True))
        return answers

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        return await self._log.load(after)

    def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        return self._log.read(stream, after=after)

    def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        return self._log.follow(after=after)

    def cursor(self, record: Record) -> Cursor:
        return self._log.cursor(record)


def _goes_on(append: Append) -> bool:
    """Whether it is a record of the run that says more than who owns it now."""
    return append.stream == STREAM and any(not isinstance(event, Recovered) for event in CODEC.decode(append.data).events)


async def lived(opened: Opened, text: str, inputs: dict[str, Any], *, lasting: int) -> Lived:
    """A run through as many lives as it takes, each of which lets so many of its records last; 0 for a single life."""
    for life in range(LIVES_MAX):
        async with opened() as carrier:
            if await _life(carrier, text, inputs, lasting or LIVES_MAX):
                return await _end(carrier, life)
    raise AssertionError(f"the run has not ended in {LIVES_MAX} lives")


async def _life(carrier: Carrier, text: str, inputs: dict[str, Any], lasting: int) -> bool:
    """Whether the run ended in it."""
    log = DyingLog(carrier.log, lasting)
    async with anyio.create_task_group() as group:

        async def die() -> None:
            await log.dead.wait()
            group.cancel_scope.cancel()

        group.start_soon(die)
        async with _serving(replace(carrier, log=log)) as runtime:
            try:
                run = await runtime.start_definition(text, inputs, id=RUN)
                group.start_soon(_approve, runtime)
                await run.result(within=PATIENCE)
            except Unavailable:
                if not log.dead.is_set():
                    raise
                await anyio.sleep_forever()
        group.cancel_scope.cancel()
    return not log.dead.is_set()


def _serving(carrier: Carrier) -> AbstractAsyncContextManager[Runtime]:
    runtime = Runtime(
        carrier, (), clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=OwnsAll("life", carrier.epoch),
        settings=Settings(drain_seconds=0.0), types=types(),
    )  # fmt: skip
    return runtime.serving()


async def _approve(runtime: Runtime) -> None:
    """Whoever is asked says yes, once for each question."""
    while True:
        try:
            for asked in await runtime.run(RUN).approvals():
                await runtime.run(RUN).approve(asked, by="Ada", command=f"approve {asked.id}")
        except PerdureError:
            await anyio.sleep(0.01)
        await anyio.sleep(0.01)


async def _end(carrier: Carrier, kills: int) -> Lived:
    async with _serving(carrier) as runtime:
        result = await runtime.run(RUN).result(within=PATIENCE)
        verdict = await replay(carrier.log, STREAM, runtime.registry, carrier.blobs)
        records = [record async for record in carrier.log.read(STREAM)]
    assert verdict.agrees, verdict
    return Lived(verdict.content_digest, result, len(records), verdict.events, kills)
