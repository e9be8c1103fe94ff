"""Five histories that a client plays against a runtime. Whoever plays one again, with the same ids, must find what it was told before."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

import perdure
from perdure.runtime.authoring.steps import Attempt
from perdure.runtime.authoring.workflows import Workflow
from tests.crash.client import Client
from tests.crash.journal import Attempted, Journal

SOON = timedelta(milliseconds=2)
NEVER = timedelta(days=1)
QUICK = perdure.Retry(attempts=3, first=timedelta(milliseconds=1))

journals: list[Journal] = []
"""Where the steps of this process say that they were attempted."""


def attempted() -> Attempt:
    """The attempt that runs here, noted before it does anything."""
    now = perdure.current()
    journals[-1].note(Attempted(os.getpid(), now.run, now.effect, now.attempt, now.idempotency_key))
    return now


@perdure.step
async def add(a: int, b: int) -> int:
    attempted()
    await checkpoint()
    return a + b


@perdure.step
def label(text: str) -> str:
    return f"{text}:{attempted().idempotency_key[:8]}"


@perdure.step(retry=QUICK)
async def flaky(number: int) -> int:
    if attempted().attempt < 2:
        raise OSError("not yet")
    return number * number


@perdure.step
async def stuck() -> None:
    attempted()
    await anyio.sleep_forever()


@perdure.workflow
async def in_sequence(count: int) -> str:
    total = 0
    for number in range(count):
        total = await add(total, number)
    return await label(f"sum {total}")


@perdure.workflow
async def side_by_side(count: int) -> list[int]:
    return list(await perdure.gather(*(flaky(number) for number in range(count))))


@perdure.workflow
async def conversation() -> list[int]:
    heard = [await perdure.signal("first", int)]
    await perdure.sleep(SOON)
    answer = await perdure.first_of(perdure.signal("second", int), perdure.sleep(NEVER))
    heard += [answer.index, await add(heard[0], 1)]
    late = await perdure.first_of(perdure.signal("never", int), perdure.sleep(SOON))
    return [*heard, late.index, await perdure.signal("third", int)]


@perdure.workflow
async def cleaned_up() -> str:
    try:
        await perdure.gather(stuck(), perdure.signal("never"))
    except perdure.Cancelled:
        await label("cleaned up")
        raise
    return "never cancelled"


@perdure.workflow
async def cut_off() -> None:
    await perdure.signal("begin")
    await perdure.signal("never")


@perdure.workflow
async def race() -> list[int]:
    first = await perdure.first_of(add(1, 2), perdure.signal("never", int))
    try:
        async with perdure.timeout(SOON):
            await stuck()
    except TimeoutError:
        return [first.index, first.value, await add(first.value, 10)]
    return []


@perdure.workflow
async def long_lived(width: int) -> int:
    await perdure.gather(*(add(number, 0) for number in range(width)))
    more = await perdure.signal("go", int)
    return await add(width, more)


async def plays_in_sequence(client: Client) -> None:
    await client.start(in_sequence, "sequence", 6)
    await client.ended("sequence")


async def plays_side_by_side(client: Client) -> None:
    await client.start(side_by_side, "gather", 6)
    await client.ended("gather")


async def plays_conversation(client: Client) -> None:
    await client.start(conversation, "talk")
    await client.signal("talk", "first", 7, "say-1")
    await client.signal("talk", "second", 8, "say-2")
    await client.signal("talk", "third", 9, "say-3")
    await client.signal("talk", "third", 9, "say-3")
    await client.ended("talk")


async def plays_endings(client: Client) -> None:
    await client.start(cleaned_up, "cancelled")
    await client.start(cut_off, "terminated")
    await client.start(race, "raced")
    await client.cancel("cancelled")
    await client.signal("terminated", "begin", None, "begin")
    await client.terminate("terminated")
    await client.ended("cancelled", "terminated", "raced")


async def plays_many(client: Client) -> None:
    runs = [f"many-{number}" for number in range(4)]
    async with anyio.create_task_group() as group:
        for run in runs:
            group.start_soon(client.start, long_lived, run, 52 if run.endswith("0") else 2)
    await client.start(long_lived, "many-0", 52)
    await client.leaves_memory(runs)
    for run in runs:
        await client.signal(run, "go", 1000, f"go {run}")
        await client.signal(run, "go", 1000, f"go {run}")
    await client.ended(*runs)


WORKFLOWS: list[Workflow[..., Any]] = [in_sequence, side_by_side, conversation, cleaned_up, cut_off, race, long_lived]

SCENARIOS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "sequence": plays_in_sequence,
    "side by side": plays_side_by_side,
    "conversation": plays_conversation,
    "endings": plays_endings,
    "many": plays_many,
}
