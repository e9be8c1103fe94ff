"""Steps with a queue, each for one thing that may happen to them, and a workflow around each."""

from __future__ import annotations

from datetime import timedelta

import anyio

import perdure
from perdure import CompleteLater, Interrupted, Limit, Retry, StepError, step, workflow

ONE = Limit("one", concurrency=1)
tokens: list[str] = []
cut: list[str] = []


@step(queue="gpu")
async def render(scene: str) -> str:
    await anyio.sleep(1)
    return f"{scene} by {perdure.current().attempt}"


@step(queue="gpu", heartbeat_timeout=timedelta(hours=2))
async def long(scene: str) -> str:
    me = perdure.current()
    try:
        await anyio.sleep(3600)
    except BaseException:
        cut.append(scene)
        raise
    return f"{scene} after {me.last_heartbeat}"


@step(queue="gpu", retry=Retry(attempts=3, first=timedelta(seconds=1)))
async def shaky(scene: str) -> str:
    if perdure.current().attempt < 3:
        raise OSError(scene)
    return scene


@step(queue="gpu", limit=ONE)
async def licensed(scene: str) -> str:
    await anyio.sleep(1)
    return scene


@step(queue="gpu", at_most_once=True)
async def launch(rocket: str) -> str:
    await anyio.sleep(1)
    return rocket


@step(queue="gpu", start_within=timedelta(minutes=1))
async def soon(scene: str) -> str:
    return scene


@step(queue="gpu")
async def asks_a_partner(scene: str) -> str:
    tokens.append(perdure.current().token)
    raise CompleteLater


@step
async def near(scene: str) -> str:
    return f"{scene} here"


@workflow
async def one(scene: str) -> str:
    return await render(scene)


@workflow
async def both(scene: str) -> list[str]:
    return list(await perdure.gather(render(scene), render(scene), near(scene)))


@workflow
async def lasting(scene: str) -> str:
    return await long(scene)


@workflow
async def stubborn(scene: str) -> str:
    return await shaky(scene)


@workflow
async def bounded(scene: str) -> str:
    return await licensed(scene)


@workflow
async def mission(rocket: str) -> str:
    try:
        return await launch(rocket)
    except Interrupted:
        return f"look for {rocket}"


@workflow
async def impatient(scene: str) -> str:
    try:
        return await soon(scene)
    except StepError as late:
        return str(late)


@workflow
async def partner(scene: str) -> str:
    return await asks_a_partner(scene)
