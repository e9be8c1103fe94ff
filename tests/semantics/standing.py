"""A run that waits, and code that disagrees with it."""

from __future__ import annotations

import perdure
from perdure import step, workflow


@step
async def say(word: str) -> str:
    return word


@workflow(name="waits")
async def waits() -> str:
    await say("a")
    return await perdure.signal("go", str)


@workflow(name="waits")
async def differs() -> str:
    await say("b")
    return await perdure.signal("go", str)
