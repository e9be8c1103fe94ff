"""Workflows with one mistake each, as somebody might write them: copied to `flows.py` by teaching.py."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

from perdure import step, workflow


@step
async def give(what: str) -> Any:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    values: dict[str, Any] = {
        "tuple": [0, (1, 2)],
        "bytes": {"a": b"x"},
        "datetime": {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
        "decimal": Decimal("1.5"),
        "set": {1},
        "keys": {"by": {1: "one"}},
        "object": [object()],
        "nan": [float("nan")],
        "surrogate": {"text": "\ud800"},
        "deep": deep,
        "large": "x" * 20_000_000,
    }
    return values[what]


@step
async def measure() -> float:
    return float("nan")


@step
async def add(a: int, b: int) -> int:
    return a + b


@step
async def keep(value: dict[str, Any]) -> None: ...


async def fetch() -> str:
    await asyncio.sleep(1)
    return "fetched"


@workflow
async def awaits_foreign() -> str:
    return await fetch()


@workflow
async def yields() -> None:
    await asyncio.sleep(0)


@workflow
async def creates_task() -> None:
    await asyncio.create_task(fetch())


@workflow
async def gives(what: str) -> Any:
    return await give(what)


@workflow
async def measures() -> float:
    return await measure()


@workflow
async def adds_text() -> int:
    wrong: Any = "2"
    return await add(1, wrong)


@workflow
async def adds_too_little() -> int:
    wrong: Any = add
    return int(await wrong(1))


@workflow
async def keeps_a_tuple() -> None:
    await keep({"pair": (1, 2)})


@workflow
async def returns_a_tuple() -> Any:
    return {"pair": (1, 2)}


@workflow
async def recurses() -> int:
    def down(n: int) -> int:
        return down(n + 1)

    return down(0)


@workflow
async def never_rests() -> None:
    while True:
        await yield_nothing()


async def yield_nothing() -> None:
    from perdure import gather

    await gather()


@workflow
async def fine(number: int = 1) -> int:
    return number
