"""Workflows whose steps share limits: so many at once, so many for each key, so many within a time; within a run and over several."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import Limit, Retry, child, gather, step, workflow
from perdure.runtime.authoring.steps import Step
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps
from tests.corpus.gate import turn

MINUTE = timedelta(minutes=1)
FEW = Limit("few", concurrency=2)


@step(limit=FEW)
async def squeeze(n: int) -> int:
    await turn()
    return n


@step(limit=FEW, retry=Retry(attempts=4, first=timedelta(seconds=20)))
async def squeeze_again(good_from: int) -> int:
    """Gives its slot back between two attempts."""
    await turn()
    attempt = perdure.current().attempt
    if attempt < good_from:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


@step(limit=Limit("customer", concurrency=1, key=lambda who, what: who))
async def serve(who: str, what: str) -> str:
    await turn()
    return f"{what} for {who}"


@step(limit=Limit("calls", rate=(2, MINUTE)))
async def call(number: int) -> int:
    await turn()
    return number


LIMITED: dict[str, Step[..., Any]] = {one.name: one for one in (squeeze, squeeze_again, serve, call)}


@workflow
async def few_at_once() -> list[int]:
    """Two steps share two slots; whoever backs off has none."""
    return list(await gather(*(squeeze(n) for n in range(4)), squeeze_again(3), steps.add(2, 3)))


@workflow
async def one_for_each() -> list[str]:
    """A customer at a time, but the customers side by side."""
    return list(await gather(*(serve(who, what) for what in ("tea", "milk", "cake") for who in ("ada", "bob"))))


@workflow
async def two_a_minute() -> list[Any]:
    begun = perdure.now()
    called = await gather(*(call(n) for n in range(5)))
    return [*called, perdure.now() - begun >= 2 * MINUTE]


@workflow
async def squeezes(n: int) -> int:
    return await squeeze(await squeeze(n))


@workflow
async def siblings_in_a_crowd() -> list[int]:
    """Three runs share the slots with their parent."""
    return list(await gather(*(child(squeezes, n) for n in range(3)), squeeze(9)))


WORKFLOWS: list[Workflow[..., Any]] = [few_at_once, one_for_each, two_a_minute, squeezes, siblings_in_a_crowd]
