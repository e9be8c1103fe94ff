"""The workflows that chaos plays, served by real workers: `perdure worker tests.chaos.flows tests.chaos.films`.

Every attempt of a step notes itself in the journal. Together they use what crosses workers: children, signals from run to run,
limits, and in `films` task queues.
"""

from __future__ import annotations

from datetime import timedelta

import anyio

from perdure import (
    Cancelled,
    Interrupted,
    Limit,
    Retry,
    child,
    continue_as,
    gather,
    handling,
    on_update,
    signal,
    signal_run,
    sleep,
    step,
    wait_until,
    workflow,
)
from tests.chaos.noting import note

WORK = 0.01
"""Seconds that a step takes, so that faults find steps at work."""

SOON = timedelta(milliseconds=20)
TILLS = Limit("tills", concurrency=8)


@step(retry=Retry(attempts=3, first=timedelta(milliseconds=5)))
async def charge(number: int) -> int:
    made = note()
    await anyio.sleep(WORK)
    if made.attempt < 2:
        raise OSError("not yet")
    return number


@step
async def pack(number: int) -> int:
    note()
    await anyio.sleep(WORK)
    return number


@step
def ship(number: int) -> int:
    note()
    return number


@step(limit=TILLS)
async def pay(number: int) -> int:
    note()
    await anyio.sleep(WORK)
    return number


@step(at_most_once=True)
async def ring(number: int) -> int:
    note()
    await anyio.sleep(WORK)
    return number


@workflow
async def order(number: int) -> list[int]:
    charged = await charge(number)
    await sleep(SOON)
    return [charged, await pack(number + 1), await ship(number + 2)]


@workflow
async def side_by_side(number: int) -> list[int]:
    return list(await gather(*(pack(number + place) for place in range(4))))


@workflow
async def talk() -> list[str]:
    words: list[str] = []
    while (word := await signal("word", str)) != "end":
        words.append(word)
        await pack(len(words))
    return words


@workflow
async def held() -> str:
    try:
        await signal("never")
    except Cancelled:
        await pack(0)
        raise
    return "never cancelled"


@workflow
async def family(number: int) -> list[list[int]]:
    return list(await gather(child(order, number), child(order, number + 10)))


@workflow
async def counter(goal: int) -> int:
    total = 0

    async def add(number: int) -> int:
        nonlocal total
        total += await pack(number)
        return total

    on_update("add", add)
    await wait_until(lambda: total >= goal and handling() == 0)
    return total


@workflow
async def once(number: int) -> str:
    try:
        return f"rung {await ring(number)}"
    except Interrupted:
        return "interrupted"


@workflow
async def limited(number: int) -> int:
    return await pay(number)


@workflow
async def caller(other: str, words: list[str]) -> int:
    for word in words:
        await signal_run(other, "word", word)
    return len(words)


@workflow
async def lives(left: int) -> str:
    await pack(left)
    return "done" if left == 0 else await continue_as(left - 1)
