"""What many want to know at once is asked for once, and what changed meanwhile is not remembered as it was."""

from __future__ import annotations

import anyio
import pytest

from perdure.adapters.http.auth.fresh import FRESH, Fresh
from perdure.eventlog.errors import Unavailable

pytestmark = pytest.mark.anyio


class Source:
    """Answers when it is let, with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.let = anyio.Event()
        self.error: Unavailable | None = None
        self.now = 5 * FRESH

    async def ask(self, name: str) -> str:
        self.asked += 1
        told = f"{name} {self.asked}"
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return told


async def all_of(fresh: Fresh[str], source: Source, many: int) -> list[str]:
    found: list[str] = []

    async def one() -> None:
        try:
            found.append(await fresh.get("key", source.ask))
        except Unavailable as error:
            found.append(error.message)

    async with anyio.create_task_group() as group:
        for _ in range(many):
            group.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        source.let.set()
    return found


async def test_many_at_once_ask_once_and_within_a_second_nobody_asks_again() -> None:
    source = Source()
    fresh = Fresh[str](lambda: source.now)
    assert await all_of(fresh, source, 50) == ["key 1"] * 50
    source.now += FRESH - 1
    assert await fresh.get("key", source.ask) == "key 1"
    source.now += 1
    assert await all_of(fresh, source, 50) == ["key 2"] * 50


async def test_an_error_is_everybodys_who_waited_and_nobodys_after() -> None:
    source = Source()
    fresh = Fresh[str](lambda: source.now)
    source.error = Unavailable("the log is away", who="a key")
    assert await all_of(fresh, source, 20) == ["the log is away"] * 20
    assert source.asked == 1
    source.error = None
    assert await fresh.get("key", source.ask) == "key 2"


async def test_whoever_waits_for_one_that_is_cancelled_asks_themselves() -> None:
    source = Source()
    fresh = Fresh[str](lambda: source.now)
    first = anyio.CancelScope()
    found: list[str] = []

    async def cancelled() -> None:
        with first:
            await fresh.get("key", source.ask)

    async def goes_on() -> None:
        found.append(await fresh.get("key", source.ask))

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(goes_on)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        source.let.set()
    assert found == ["key 2"]


async def test_an_answer_that_was_on_its_way_when_it_changed_is_not_kept() -> None:
    source = Source()
    fresh = Fresh[str](lambda: source.now)
    async with anyio.create_task_group() as group:
        group.start_soon(fresh.get, "key", source.ask)
        await anyio.wait_all_tasks_blocked()
        fresh.forget("key")
        source.let.set()
    assert await fresh.get("key", source.ask) == "key 2"
