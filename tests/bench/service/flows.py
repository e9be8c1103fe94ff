"""What is started under load: a run that is one record, and one with a step, which is two."""

from __future__ import annotations

import anyio.lowlevel

import perdure


@perdure.workflow
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@perdure.step
async def look_up(name: str) -> str:
    await anyio.lowlevel.checkpoint()
    return f"Hello, {name}!"


@perdure.workflow
async def ask(name: str) -> str:
    return await look_up(name)


@perdure.workflow
async def wait() -> str:
    return await perdure.signal("word", str)
