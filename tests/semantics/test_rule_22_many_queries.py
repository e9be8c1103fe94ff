"""Rule 22: runs that are not in memory are driven aside for queries in a bounded pool, with a deadline, and in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import pytest

from perdure import Runtime, Unavailable, on_query, step, workflow
from perdure.adapters.system.clock import LOOKS_AT_ONCE
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, node, until

pytestmark = pytest.mark.anyio

QUERIES = 3 * LOOKS_AT_ONCE


class Room:
    """How many questions are being answered at once; each waits inside until the door is opened."""

    def __init__(self) -> None:
        self.door = threading.Event()
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def enter(self) -> str:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.door.wait(PATIENCE.total_seconds())
        with self._lock:
            self.inside -= 1
        return "seen"


room: list[Room] = [Room()]


@step
async def note() -> None: ...


@step
def in_a_thread() -> str:
    return "done"


@workflow
async def asked() -> None:
    on_query("look", room[0].enter)
    await note()


@workflow
async def beside() -> str:
    return await in_a_thread()


async def questions(runtime: Runtime, ask: Callable[..., Any]) -> None:
    """Many at once, about runs that have ended."""
    async with anyio.create_task_group() as group:
        for number in range(QUERIES):
            group.start_soon(ask, runtime, f"r-{number}")


async def ended(runtime: Runtime) -> None:
    for number in range(QUERIES):
        await (await runtime.start(asked, id=f"r-{number}")).result(within=PATIENCE)


async def test_no_more_are_answered_at_once_than_the_bound_and_steps_go_on_beside_them() -> None:
    room[0] = Room()
    answers: list[str] = []

    async def ask(runtime: Runtime, run: str) -> None:
        answers.append(await runtime.run(run).query("look", returns=str))

    async with node(MemoryLog().carrier(), asked, beside) as runtime:
        await ended(runtime)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(questions, runtime, ask))
            await until(lambda: room[0].inside == LOOKS_AT_ONCE)
            assert await (await runtime.start(beside)).result(within=PATIENCE) == "done"
            assert (room[0].inside, answers) == (LOOKS_AT_ONCE, [])
            room[0].door.set()

    assert answers == ["seen"] * QUERIES
    assert room[0].most == LOOKS_AT_ONCE


async def test_who_waits_for_a_place_in_vain_is_told_so_in_time() -> None:
    room[0] = Room()
    told: list[str] = []
    full = anyio.Event()

    async def ask(runtime: Runtime, run: str) -> None:
        if int(run.removeprefix("r-")) < LOOKS_AT_ONCE:
            await runtime.run(run).query("look", returns=str)
        await full.wait()
        with pytest.raises(Unavailable, match=r"not answered in time|too many queries hang"):
            await runtime.run(run).query("look", returns=str, within=timedelta(seconds=0.1))
        told.append(run)

    async with node(MemoryLog().carrier(), asked) as runtime:
        await ended(runtime)
        async with anyio.create_task_group() as group:
            group.start_soon(questions, runtime, ask)
            await until(lambda: room[0].inside == LOOKS_AT_ONCE)
            full.set()
            await until(lambda: len(told) == QUERIES - LOOKS_AT_ONCE)
            group.cancel_scope.cancel()
        for run in ("r-0", "r-1"):  # those that nobody waits for any more hang on, and still take their places
            with pytest.raises(Unavailable, match="hang"):
                await runtime.run(run).query("look", returns=str)
        room[0].door.set()
        await until(lambda: not room[0].inside)
        assert await runtime.run("r-2").query("look", returns=str) == "seen"

    assert room[0].most == LOOKS_AT_ONCE
