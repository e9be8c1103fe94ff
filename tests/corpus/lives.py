"""Workflows of long lives: generations, delays, deadlines, pauses, retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import gather, sleep, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import special_steps, steps

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@workflow
async def subscription(month: int, paid: list[int]) -> list[Any]:
    """Three months, each a generation; payments that came early are there in the next, and so are the attributes."""
    perdure.attributes(month=month)
    paid = [*paid, await perdure.signal("payment", int)]
    await steps.say(f"month {month}")
    await sleep(30 * DAY)
    if month < 3:
        await perdure.continue_as(month + 1, paid)
    return [paid, perdure.info()["generation"], perdure.random().randrange(1000), str(perdure.uuid())]


@workflow
async def passes_on_what_it_heard() -> list[Any]:
    """A generation ends while its handlers have heard only a part."""
    heard: list[str] = []
    perdure.on_signal("word", heard.append)
    await sleep(DAY)
    if perdure.info()["generation"] == 1:
        await perdure.continue_as()
    await perdure.wait_until(lambda: len(heard) >= 2)
    return [perdure.info()["generation"], heard, await perdure.signal("end", str)]


@workflow
async def delayed_start() -> list[Any]:
    begun = perdure.now()
    await steps.say("at last")
    return [begun.timestamp() == 1_700_000_000 + 86_400, await perdure.signal("early", str)]


@workflow
async def announced() -> str:
    """A URL is told of its end."""
    return await steps.say("the end")


@workflow
async def past_its_deadline() -> str:
    """The deadline is over before the code is; no cleanup."""
    try:
        await gather(sleep(30 * DAY), perdure.signal("never"))
    finally:
        await steps.undo("never reached")
    return "never"


@workflow
async def paused_in_the_middle() -> list[Any]:
    """Stands still while timers come due and signals come in; each is there when it goes on."""

    async def timer(hours: int) -> str:
        await sleep(hours * HOUR)
        return await steps.say(f"after {hours}")

    return [*await gather(timer(1), timer(2), timer(30)), await perdure.signal("word", str), await steps.say("end")]


@workflow
async def paused_with_its_deadline() -> str:
    """The deadline would have struck if it had not stood still."""
    await sleep(2 * HOUR)
    return await steps.say("in time")


@workflow
async def cancelled_while_paused() -> str:
    """A cancellation ends the pause, so that the cleanup runs."""
    try:
        await gather(steps.add(1, 2), perdure.signal("never"))
    finally:
        await steps.undo("though paused")
    return "never"


@workflow
async def failed_and_retried() -> list[int]:
    """Fails for want of a retry policy; a person has it go on from there, twice."""
    before = await steps.add(1, 2)
    return [before, await special_steps.better_later(3), await steps.add(before, 1)]


@workflow
async def skipped() -> list[int]:
    """A person gives a step its value, while it backs off for ever and another one goes on."""
    return list(await gather(special_steps.hopeless_for_long(), steps.add(1, 2)))


WORKFLOWS: list[Workflow[..., Any]] = [
    subscription, passes_on_what_it_heard, delayed_start, announced, past_its_deadline, paused_in_the_middle, paused_with_its_deadline,
    cancelled_while_paused, failed_and_retried, skipped,
]
