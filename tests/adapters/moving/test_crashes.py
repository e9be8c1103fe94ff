"""Whoever moves runs may die behind any write: done again, the move ends, and the run lives in one log, never in two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from perdure import PerdureError, Refused, Unavailable
from perdure.adapters.moving.arriving import bring_in
from perdure.adapters.moving.leaving import export
from perdure.adapters.moving.returning import take_back
from perdure.eventlog.memory import MemoryLog
from tests.adapters.moving.memory import desk_of, lives_in
from tests.adapters.moving.shop import FLOWS, begun, parent
from tests.laws.node import killed_node, named, node

Doing = Callable[[int], Awaitable[int]]
"""What dies behind so many writes; how many it made, where it did not."""

WRITES_MAX = 60
RUNS = ("p", "p/0")


class World:
    """A parent and its child in one log, on the way to another."""

    def __init__(self, folder: Path, number: int) -> None:
        self.here, self.there = MemoryLog(), MemoryLog()
        self.file = folder / f"move-{number}"
        self.move = ""

    async def begin(self) -> None:
        async with killed_node(self.here, *FLOWS) as runtime:
            await runtime.start(parent, id="p")
            await begun(runtime, "p/0")

    async def out(self, lives: int = 1_000_000) -> int:
        async with desk_of(self.here, "a", lives=lives) as (found, mortal):
            self.move = (await export(found, RUNS, "b", self.file, within=5)).move
        return lives - mortal.lives

    async def into(self, lives: int = 1_000_000) -> int:
        async with desk_of(self.there, "b", lives=lives) as (found, mortal):
            await bring_in(found, self.file)
        return lives - mortal.lives

    async def back(self, lives: int = 1_000_000) -> int:
        async with desk_of(self.here, "a", lives=lives) as (here, mortal), desk_of(self.there, "b") as (there, _):
            await take_back(here, there, self.move)
        return lives - mortal.lives

    async def must_live_once(self, *, at_most: bool = False) -> None:
        for run in RUNS:
            lives = [await lives_in(self.here, run), await lives_in(self.there, run)]
            assert sum(lives) <= 1 if at_most else sum(lives) == 1, (run, named(self.here, run), named(self.there, run))

    async def must_end(self, log: MemoryLog) -> None:
        async with node(log.carrier(20), *FLOWS) as runtime:
            await runtime.run("p/0").signal("go", "done")
            assert await runtime.run("p").result() == "done"


async def dies(doing: Doing, lives: int) -> bool:
    """Whether it died behind so many writes; not, if it needs fewer."""
    try:
        await doing(lives)
    except Unavailable:
        return True
    return False


def every_death(begin: Callable[[World], Awaitable[Doing]], then: Callable[[World], Awaitable[None]], folder: Path) -> int:
    """Try each number of writes behind which one may die, until it needs no more; how many there were."""

    async def attempt(lives: int) -> bool:
        with anyio.fail_after(20):
            world = World(folder, lives)
            await world.begin()
            died = await dies(await begin(world), lives)
            await world.must_live_once(at_most=True)
            await then(world)
            await world.must_live_once()
            return died

    for lives in range(1, WRITES_MAX):
        if not anyio.run(attempt, lives):
            return lives
    raise AssertionError("it never ends")


def test_an_export_that_dies_anywhere_is_done_again(tmp_path: Path) -> None:
    async def begin(world: World) -> Doing:
        return world.out

    async def again(world: World) -> None:
        await world.out()
        await world.into()
        assert named(world.here, "p").count("MovedOut") == named(world.there, "p").count("MovedIn") == 1
        await world.must_end(world.there)

    assert every_death(begin, again, tmp_path) > 5


def test_an_import_that_dies_anywhere_is_done_again(tmp_path: Path) -> None:
    async def begin(world: World) -> Doing:
        await world.out()
        return world.into

    async def again(world: World) -> None:
        await world.into()
        assert named(world.there, "p").count("MovedIn") == 1
        with pytest.raises(Refused):
            await world.back()
        await world.must_end(world.there)

    assert every_death(begin, again, tmp_path) > 10


def test_an_import_that_died_anywhere_is_taken_back_or_has_won(tmp_path: Path) -> None:
    seen: set[str] = set()

    async def begin(world: World) -> Doing:
        await world.out()
        return world.into

    async def back(world: World) -> None:
        try:
            await world.back()
        except Refused:
            seen.add("won")
            await world.into()
            await world.must_end(world.there)
        else:
            seen.add("taken back")
            with pytest.raises(Refused):
                await world.into()
            await world.must_end(world.here)

    every_death(begin, back, tmp_path)
    assert seen == {"won", "taken back"}


def test_taking_back_that_dies_anywhere_is_done_again(tmp_path: Path) -> None:
    async def begin(world: World) -> Doing:
        await world.out()
        return world.back

    async def again(world: World) -> None:
        with pytest.raises(Refused):
            await world.into()
        await world.back()
        await world.must_end(world.here)

    assert every_death(begin, again, tmp_path) > 2


def test_of_two_imports_side_by_side_each_ends_and_the_run_comes_in_once(tmp_path: Path) -> None:
    async def both() -> None:
        world = World(tmp_path, 0)
        await world.begin()
        await world.out()

        async def bring() -> None:
            with suppress(PerdureError):
                await world.into()

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(bring)
        await world.into()
        assert named(world.there, "p").count("MovedIn") == named(world.there, "p/0").count("MovedIn") == 1
        await world.must_live_once()
        await world.must_end(world.there)

    anyio.run(both)
