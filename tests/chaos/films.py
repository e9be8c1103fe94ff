"""The workflows of chaos whose steps are left to a task queue, served by the workers that serve those of `flows`, too."""

from __future__ import annotations

from perdure import Interrupted, gather, step, workflow
from tests.chaos.crafts import QUEUE, develop, grade, premiere, render, shoot
from tests.chaos.noting import note


@step(queue=QUEUE)
async def misread(number: int) -> int:
    """Known here, and to no worker of the queue."""
    note()
    return number


@workflow
async def film(number: int) -> list[int]:
    scenes = await gather(*(render(number + place) for place in range(3)))
    return [*scenes, await develop(number)]


@workflow
async def long_film(number: int) -> int:
    return await shoot(number)


@workflow
async def graded_film(number: int) -> list[int]:
    return list(await gather(*(grade(number) for _ in range(3))))


@workflow
async def first_night(number: int) -> str:
    try:
        return f"shown {await premiere(number)}"
    except Interrupted:
        return "interrupted"


@workflow
async def unreadable_film(number: int) -> int:
    return await misread(number)
