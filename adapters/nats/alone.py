"""A namespace that nobody serves, opened by one process for what needs all of it at rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from ...eventlog.errors import PerdureError, Refused
from ...eventlog.log import Carrier
from ...eventlog.records import Record
from .inspecting import found_log, looking
from .open import open_nats
from .owning.fences import Fences
from .owning.presence import PROBE_SECONDS
from .records.log import JetStreamLog
from .records.reader import Reader
from .url import Place
from .wire import api
from .wire.connection import NoAnswer
from .wire.store import Store

ALIVE = "ALIVE"
PROBES = 3
"""A worker that does not answer at once may be busy, and lives; only nobody listening says that it is gone."""


@asynccontextmanager
async def open_alone(url: str) -> AsyncGenerator[tuple[str, Carrier, AsyncIterator[Record]]]:
    """Where it is, the carrier, and all records in their order; Refused while workers serve it, NotFound where there is no log."""
    async with looking(url) as (store, place):
        there = await found_log(store, place)
        await nobody_serves(store, place, remembers=ALIVE in there)
    async with open_nats(url, owner="perdure") as carrier:
        assert isinstance(carrier.log, JetStreamLog)
        async with aclosing(every_record(carrier.log.reader)) as records:
            yield place.hidden, carrier, records


async def every_record(reader: Reader) -> AsyncGenerator[Record]:
    async for page in reader.everything():
        for record in page:
            yield record


async def nobody_serves(store: Store, place: Place, *, remembers: bool) -> None:
    """Refused, with their names, where workers live: those that own something, and those whose beats are kept."""
    known = {fence.owner for fence in await Fences(store).all() if fence.owner}
    if remembers:
        known |= {message.subject.rpartition(".")[2] for message in await store.everything(ALIVE, store.subjects.tree("alive"))}
    lives = await asyncio.gather(*(is_alive(store, worker) for worker in sorted(known)))
    living = [worker for worker, alive in zip(sorted(known), lives, strict=True) if alive]
    if living:
        raise Refused("workers serve the log", who=place.hidden, expected="a log that nobody serves", found=", ".join(living),
                      instead="stop them first (SIGTERM), then try again; reading commands need no stop")


async def is_alive(store: Store, worker: str) -> bool:
    for _ in range(PROBES):
        try:
            subject = f"perdure.{store.subjects.namespace}.probe.{worker}"
            answer = await store.connection.ask(subject, b"", within=PROBE_SECONDS)
        except (NoAnswer, PerdureError):
            continue
        return (answer.headers or {}).get(api.STATUS) != api.NO_RESPONDERS
    return True
