"""A run with a bit of everything, for moves: a large value, an artifact, a step that takes long, a timer, a signal that nobody has read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec

import perdure
from perdure import NotFound, Settings, child, current, gather, signal, sleep, step, workflow
from perdure.adapters.moving.arriving import Imported, bring_in
from perdure.adapters.moving.desk import desk
from perdure.adapters.moving.leaving import Exported, export
from perdure.adapters.moving.returning import TakenBack, take_back
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import Verdict, replay

LARGE = 200_000
AT_ONCE = Settings(drain_seconds=0.0)
"""A runtime with these leaves without waiting for its steps."""


@step
async def survey(size: int) -> str:
    async with current().artifact("survey") as out:
        await out.write(b"found" * 1000)
    return "x" * size


@step
async def pack(room: str) -> str:
    """Begins, says so, and ends once somebody has let it."""
    await anyio.Path(room, "packing").touch()
    await until(Path(room, "packed"))
    return "packed"


@workflow
async def order(room: str) -> list[str | int]:
    found = await survey(LARGE)
    packed, _ = await gather(pack(room), sleep(timedelta(milliseconds=20)))
    note = await signal("note", str)
    return [len(found), packed, note]


@workflow
async def waits() -> str:
    return await signal("go", str)


@workflow
async def parent() -> str:
    return await child(waits)


FLOWS: list[Workflow[..., Any]] = [order, waits, parent]


@asynccontextmanager
async def shop(url: str) -> AsyncGenerator[Runtime]:
    with anyio.fail_after(20):
        async with perdure.open(url, workflows=FLOWS, settings=AT_ONCE) as runtime:
            yield runtime


async def half_finished(url: str, room: Path, id: str = "o-1") -> None:
    """An order on its way: surveyed, being packed, its timer set, a signal unread; nobody serves it any more."""
    async with shop(url) as runtime:
        run = await runtime.start(order, str(room), id=id)
        await run.signal("note", "mind the cat")
        await until(room / "packing")


async def begun(runtime: Runtime, id: str) -> None:
    """Return once a child has been started."""
    while True:
        with suppress(NotFound):
            await runtime.run(id).look()
            return
        await anyio.sleep(0.002)


async def until(sign: Path) -> None:
    """Return once there is such a file; somebody in another process may make it."""
    while not await anyio.Path(sign).exists():  # noqa: ASYNC110 - a file has no bell
        await anyio.sleep(0.002)


async def ended(url: str, room: Path, id: str = "o-1") -> Verdict:
    """The order, served until it has ended, and what a replay says of it."""
    (room / "packed").touch()
    async with shop(url) as runtime:
        assert await runtime.run(id).result() == [LARGE, "packed", "mind the cat"]
        return await judged(runtime, id)


async def judged(runtime: Runtime, id: str) -> Verdict:
    return await replay(runtime.carrier.log, stream_of("run", "default", id), runtime.registry, runtime.carrier.blobs)


async def identity(url: str) -> str:
    async with desk(url) as found:
        return found.identity


async def moved_out(source: str, to: str, file: Path, *runs: str) -> Exported:
    other = await identity(to)
    async with desk(source) as found:
        return await export(found, runs or ["o-1"], other, file, within=10)


async def moved_in(to: str, file: Path) -> Imported:
    async with desk(to) as found:
        return await bring_in(found, file)


async def moved_back(source: str, to: str, move: str) -> TakenBack:
    async with desk(source) as here, desk(to) as there:
        return await take_back(here, there, move)


async def names(url: str, id: str = "o-1") -> list[str]:
    """The names of the events that a log holds of a run."""
    async with desk(url) as found:
        records = await found.records("default", id)
    return [event["type"] for record in records for event in msgspec.json.decode(record.data)["events"]]
