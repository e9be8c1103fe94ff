"""Workflows of one line of execution: sequences, loops, retries, errors, values, chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import perdure
from perdure import StepError, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps
from tests.corpus.steps import OutOfStock, Parcel


@workflow
async def line(n: int) -> int:
    total = 0
    for i in range(n):
        total = await steps.add(total, i)
    return total


@workflow
async def branching(n: int) -> list[int]:
    seen = [n]
    while n != 1:
        n = await steps.add(n // 2, 0) if n % 2 == 0 else await steps.add(3 * n, 1)
        seen.append(n)
    return seen


async def _twice(n: int) -> int:
    return await steps.square(await steps.square(n))


@workflow
async def threads(n: int) -> int:
    """Plain functions and async ones, the former through a helper that shares its caller's branch."""
    return await steps.add(await _twice(n), await steps.flaky_in_a_thread(2))


@workflow
async def persistent() -> list[int]:
    return [await steps.flaky(3), await steps.flaky(1), await steps.flaky(4)]


@workflow
async def compensated() -> list[str]:
    """A step fails for good; what was done before is undone."""
    done = [await steps.say("flight"), await steps.say("hotel")]
    try:
        await steps.fail("no car")
    except StepError as error:
        return [await steps.undo(what) for what in reversed(done)] + [error.type, error.message]
    return done


@workflow
async def exhausted() -> int:
    """The retries are used up: the run fails with the step's error."""
    return await steps.flaky(9)


@workflow
async def hopeless() -> int:
    return await steps.fail_for_good("no such customer")


@workflow
async def stock(count: int) -> str:
    try:
        return await steps.reserve("tea", count)
    except OutOfStock as error:
        return await steps.reserve(error.item, error.left)


@workflow
async def wrong(n: int) -> int:
    """A bug in the code of the workflow itself."""
    known = {await steps.add(n, 1): "there"}
    return len(known[n])


@workflow
async def unfit() -> str:
    try:
        return str(await steps.misfit())
    except StepError as error:
        return error.type


@workflow
async def slow() -> list[int]:
    """A step that hangs twice and is stopped by its timeout."""
    return [await steps.sluggish(3), await steps.sluggish(1)]


@workflow
async def parcel(packed: datetime) -> Parcel:
    first = await steps.pack(packed, Decimal("1.10"))
    assert first == Parcel(packed, Decimal("2.20"), b"\x00\xff", (3, 4))
    return await steps.pack(first.packed + timedelta(days=1), first.weight)


@workflow
async def chance() -> tuple[list[int], list[UUID]]:
    """Draws in two branches and in between; nothing one branch draws moves the other."""

    async def dice(count: int) -> list[int]:
        drawn: list[int] = []
        for _ in range(count):
            drawn.append(perdure.random().randint(1, 6))
            await steps.add(drawn[-1], 0)
        return drawn

    first = perdure.uuid()
    a, b = await perdure.gather(dice(3), dice(5))
    return [*a, *b, perdure.random().randrange(1_000_000)], [first, perdure.uuid()]


@workflow
async def diary(order: str) -> dict[str, Any]:
    """Notes and attributes between steps, and what a run knows of itself."""
    perdure.attributes(order=order, stage="begun", note="soon gone")
    perdure.log("begun", order=order)
    await steps.say("working")
    perdure.attributes(stage="done", note=None)
    perdure.log("done", level="warning", when=perdure.now().year)
    return {key: value for key, value in perdure.info().items() if key in ("workflow", "version")}


@workflow
async def naps() -> list[bool]:
    """Sleeps of every length; each takes its time and not less."""
    begun = perdure.now()
    await perdure.sleep(timedelta(seconds=0))
    await perdure.sleep(timedelta(milliseconds=1))
    short = perdure.now() - begun
    await perdure.sleep(timedelta(days=40))
    long = perdure.now() - begun
    await perdure.sleep_until(datetime(2030, 1, 1, tzinfo=UTC))
    await perdure.sleep_until(datetime(2001, 1, 1, tzinfo=UTC))
    target = datetime(2030, 1, 1, tzinfo=UTC)
    return [short == timedelta(milliseconds=1), long == timedelta(days=40, milliseconds=1), perdure.now() == target]


@workflow
async def mail() -> list[Any]:
    """Signals in their order, some of which came before anybody asked."""
    first = await perdure.signal("number", int)
    await steps.add(first, 1)
    rest = [await perdure.signal("number", int) for _ in range(2)]
    return [first, *rest, await perdure.signal("word", str)]


WORKFLOWS: list[Workflow[..., Any]] = [
    line, branching, threads, persistent, compensated, exhausted, hopeless,
    stock, wrong, unfit, slow, parcel, chance, diary, naps, mail,
]
