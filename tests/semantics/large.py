"""Workflows with large values, and what their tests ask of the log and the blobs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import perdure
from perdure import StepError, step, workflow
from perdure.actors.shelf import LARGE_BYTES, VALUE_BYTES_MAX
from perdure.eventlog.blobs import Blob
from perdure.eventlog.errors import Unavailable
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryBlobs, MemoryLog
from perdure.eventlog.records import Record
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import Verdict, replay
from perdure.runtime.settings.node import Settings
from tests.runtime.serving import PATIENCE, serving

MANY = LARGE_BYTES + 1
SMALL = Settings(large_bytes=1024, value_bytes_max=64 * 1024)
NEVER = Settings(large_bytes=VALUE_BYTES_MAX)


@step
async def make(letter: str, size: int) -> str:
    return letter * size


@step
async def count(text: str) -> int:
    return len(text)


@step
async def join(one: str, other: str) -> str:
    return one + other


@workflow
async def passing(given: str, size: int) -> str:
    """Large input, results, arguments, signal and result."""
    one = await make("a", size)
    assert await count(one + given) == size + len(given)
    other = await perdure.signal("more", str)
    return await join(one, other)


@workflow
async def waiting(size: int) -> int:
    one, other = await perdure.gather(make("a", size), make("b", size))
    await perdure.signal("go")
    return await count(one + other)


@workflow
async def careful(size: int) -> str:
    try:
        await make("a", size)
    except StepError as error:
        return error.type
    return "made"


@workflow
async def arguing(size: int) -> str:
    try:
        await count("a" * size)
    except StepError as error:
        return f"{error.type}: {error.message}"
    return "counted"


@workflow
async def boasting(size: int) -> str:
    return "a" * size


class WatchedBlobs(MemoryBlobs):
    """Counts what is read, and fails where it is told to."""

    def __init__(self, log: MemoryLog) -> None:
        super().__init__(log)
        self.reads = self.puts = 0
        self.away = False

    async def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        self.reads += 1
        if self.away:
            raise Unavailable("the blobs are away", who="WatchedBlobs")
        async for chunk in super().read(stream, blob):
            yield chunk

    async def put(self, stream: str, content: bytes) -> Blob:
        self.puts += 1
        return await super().put(stream, content)


def watched(log: MemoryLog, epoch: int = 1) -> tuple[Carrier, WatchedBlobs]:
    plain, blobs = log.carrier(epoch), WatchedBlobs(log)
    return Carrier(plain.log, plain.heads, plain.snapshots, blobs, "memory", epoch), blobs


def records(log: MemoryLog, run: str = "r") -> Sequence[Record]:
    return log.streams[f"run/default/{run}"]


def stored(log: MemoryLog, run: str = "r") -> list[dict[str, Any]]:
    return [event for record in records(log, run) for event in json.loads(record.data)["events"]]


def made(log: MemoryLog, run: str = "r") -> int:
    """Outcomes of steps that are recorded."""
    return sum(record.data.count(b"StepCompleted") for record in log.streams.get(f"run/default/{run}", ()))


async def verdict(log: MemoryLog, *workflows: Any, run: str = "r") -> Verdict:
    return await replay(log, f"run/default/{run}", Registry(workflows), MemoryBlobs(log))


async def passed(log: MemoryLog, settings: Settings | None = None, size: int = MANY) -> str:
    """One run of `passing` to its end."""
    async with serving(passing, log=log, settings=settings) as runtime:
        run = await runtime.start(passing, "g" * size, size, id="r")
        await run.signal("more", "m" * size)
        return str(await run.result(within=PATIENCE))
