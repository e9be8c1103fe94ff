"""Workflows of several branches: gather, task groups, races, limits of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import Cancelled, StepError, first_of, gather, sleep, task_group, timeout, workflow
from perdure.runtime.authoring.groups import Task
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

HOUR = timedelta(hours=1)


@workflow
async def fan_out(n: int) -> int:
    return sum(await gather(*(steps.add(i, i) for i in range(n))))


async def sequence(name: str, length: int) -> list[str]:
    return [await steps.say(f"{name}{i}") for i in range(length)]


@workflow
async def two_lines() -> list[list[str]]:
    """Two interleaved sequences: which step ends when must not matter."""
    return list(await gather(sequence("a", 4), sequence("b", 4)))


@workflow
async def nested() -> list[int]:
    async def leaf(n: int) -> int:
        return await steps.add(n, await steps.square(n))

    async def middle(n: int) -> int:
        a, (b, c) = await gather(leaf(n), gather(steps.add(n, 1), leaf(n + 1)))
        found: list[int] = [a, b, c]
        return sum(found)

    assert await gather() == ()
    return [*await gather(middle(1), middle(5), leaf(9)), await leaf(2)]


@workflow
async def group_fails() -> list[str]:
    """One member fails: the others are cancelled and clean up; the errors come as a group."""
    told: list[str] = []

    async def careful(name: str) -> None:
        try:
            await sleep(HOUR)
        finally:
            told.append(await steps.undo(name))

    try:
        async with task_group() as group:
            group.start(careful("a"), name="a")
            group.start(steps.fail("broken"), name="bad")
            group.start(careful("c"))
            await sleep(HOUR)
            told.append("never")
    except* StepError as failed:
        told += [str(error) for error in failed.exceptions]
    return sorted(told)


@workflow
async def group_grows(n: int) -> int:
    """Members that begin further members, and one that waits for another."""
    async with task_group() as group:
        first = group.start(steps.add(n, 1), name="first")

        async def more(left: int) -> int:
            if left:
                group.start(more(left - 1), name=f"more-{left}")
            return await steps.add(left, await first)

        last = group.start(more(3), name="more")
        inside = await last
    return inside + first.result()


@workflow
async def kept_errors() -> list[str]:
    found = await gather(steps.add(1, 2), steps.fail("one"), steps.reserve("tea", 9), steps.flaky(2), return_exceptions=True)
    return [type(item).__name__ if isinstance(item, Exception) else str(item) for item in found]


@workflow
async def gather_fails() -> list[str]:
    """The first error ends the others, which may still do their cleanup."""
    told: list[str] = []

    async def careful() -> str:
        try:
            return await steps.say(str(await perdure.signal("never")))
        except Cancelled:
            told.append(await steps.undo("careful"))
            raise

    try:
        await gather(careful(), steps.fail("broken"), sleep(HOUR))
    except StepError as error:
        told.append(error.message)
    return told


@workflow
async def limits() -> list[str]:
    """Limits of time inside branches, nested, met and missed."""

    async def within(limit: timedelta, name: str) -> str:
        try:
            async with timeout(limit), timeout(limit * 2):
                return await steps.say(name)
        except TimeoutError:
            return await steps.say(f"{name} late")

    async def outer() -> str:
        try:
            async with timeout(timedelta(hours=1)), timeout(timedelta(hours=2)):
                await gather(sleep(timedelta(days=1)), perdure.signal("never"))
        except TimeoutError:
            return "outer"
        return "none"

    return list(await gather(within(timedelta(microseconds=1), "short"), within(HOUR, "long"), outer()))


@workflow
async def quickest() -> int:
    """A race of bare steps: whichever ends first in the log."""
    first = await first_of(steps.add(0, 10), steps.add(1, 10), steps.add(2, 10))
    assert first.value == first.index + 10
    return first.index


@workflow
async def tidy_losers() -> list[str]:
    """A race whose losers clean up with a step before it is over."""
    told: list[str] = []

    async def runner(name: str) -> str:
        try:
            await steps.say(name)
            return await steps.say(f"{name} again")
        except Cancelled:
            told.append(await steps.undo(name))
            raise

    won = await first_of(runner("a"), runner("b"), runner("c"))
    return [won.value, *sorted(told)]


@workflow
async def signal_or_timer() -> list[str]:
    """A signal loses against a timer; what comes later is not lost."""
    told: list[str] = []
    for limit in (timedelta(seconds=1), timedelta(days=30)):
        first = await first_of(sleep(limit), perdure.signal("go", str))
        told.append(f"{first.index}:{first.value}")
    return told


@workflow
async def both_there() -> list[str]:
    """Two signals are there when the race begins: the loser's is still there afterwards."""
    await sleep(HOUR)
    first = await first_of(perdure.signal("x", str), perdure.signal("y", str))
    return [str(first.value), await perdure.signal("y", str)]


@workflow
async def races_within() -> list[str]:
    """Races in groups in limits: whichever way it goes, every branch ends before its parent does."""
    told: list[str] = []
    heats: list[Task[str]] = []

    async def heat(name: str) -> str:
        first = await first_of(steps.say(f"{name}0"), sequence(name, 2), sleep(timedelta(seconds=20)))
        return f"{name}:{first.index}"

    try:
        async with timeout(timedelta(minutes=10)), task_group() as group:
            heats = [group.start(heat(name), name=name) for name in "pqr"]
            told.append(await heats[1])
            await perdure.signal("never")
    except TimeoutError:
        told.append("over")
    return told + [one.result() for one in heats]


WORKFLOWS: list[Workflow[..., Any]] = [
    fan_out, two_lines, nested, group_fails, group_grows, kept_errors, gather_fails,
    limits, quickest, tidy_losers, signal_or_timer, both_there, races_within,
]
