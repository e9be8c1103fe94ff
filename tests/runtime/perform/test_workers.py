"""Workers: at most so many at once, also of what was wanted before they served; what is not done is done again, and takes no place."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from perdure.runtime.perform.workers import Workers

pytestmark = pytest.mark.anyio


async def test_so_many_work_at_once_and_all_is_done() -> None:
    working, most, done, all_done = 0, 0, set[int](), anyio.Event()

    async def do(thing: int) -> bool:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await anyio.lowlevel.checkpoint()
        working -= 1
        done.add(thing)
        if len(done) == 40:
            all_done.set()
        return True

    workers = Workers(do, at_once=3, longest_pause=1.0)
    for thing in range(20):
        workers.want(thing)
    async with anyio.create_task_group() as group:
        group.start_soon(workers.serve)
        for thing in range(20, 40):
            await anyio.lowlevel.checkpoint()
            workers.want(thing)
        with anyio.fail_after(5):
            await all_done.wait()
        group.cancel_scope.cancel()
    assert most == 3


async def test_what_is_not_done_is_done_again_and_others_need_not_wait_for_it() -> None:
    order, all_done = list[str](), anyio.Event()

    async def do(thing: str) -> bool:
        order.append(thing)
        if order.count("hard") == 3:
            all_done.set()
        return thing == "easy" or order.count("hard") == 3

    workers = Workers(do, at_once=1, longest_pause=0.01)
    async with anyio.create_task_group() as group:
        group.start_soon(workers.serve)
        workers.want("hard")
        workers.want("easy")
        with anyio.fail_after(5):
            await all_done.wait()
        group.cancel_scope.cancel()
    assert order == ["hard", "easy", "hard", "hard"]
