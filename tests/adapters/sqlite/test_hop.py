"""The hop runs whole functions on one thread and comes back on either loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator

import anyio
import pytest

from perdure.adapters.sqlite.hop import Hop

pytestmark = pytest.mark.anyio


@pytest.fixture
def hop() -> Generator[Hop]:
    made = Hop("a-hop")
    yield made
    made.stop()


async def test_the_result_comes_back(hop: Hop) -> None:
    assert await hop.run(lambda: threading.current_thread().name) == "a-hop"


async def test_an_error_comes_back(hop: Hop) -> None:
    with pytest.raises(ZeroDivisionError):
        await hop.run(lambda: 1 // 0)


async def test_work_is_done_in_the_order_it_was_given(hop: Hop) -> None:
    done: list[int] = []
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(hop.run, lambda number=number: done.append(number))

    assert sorted(done) == list(range(50))


async def test_a_cancelled_caller_waits_for_the_end_of_a_shielded_run(hop: Hop) -> None:
    begun, end, done = anyio.Event(), threading.Event(), list[str]()

    def slowly() -> None:
        end.wait(10)
        done.append("whole")

    async def call() -> None:
        begun.set()
        await hop.run_shielded(slowly)
        await anyio.lowlevel.checkpoint()
        done.append("never")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await begun.wait()
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
        end.set()

    assert done == ["whole"]


async def test_a_task_cancelled_by_asyncio_itself_waits_too(hop: Hop, anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("trio has no such thing")
    told, end, done = anyio.Event(), threading.Event(), list[str]()

    def slowly() -> None:
        end.wait(10)
        done.append("whole")

    task = asyncio.create_task(hop.run_shielded(slowly, then=told.set))
    await asyncio.sleep(0)
    task.cancel()
    end.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert done == ["whole"]
    assert told.is_set()


async def test_abandoned_work_is_done_all_the_same_and_its_word_arrives(hop: Hop) -> None:
    end, told = threading.Event(), anyio.Event()
    with anyio.move_on_after(0.001):
        await hop.run(lambda: end.wait(10), then=told.set)
    end.set()

    with anyio.fail_after(10):
        await told.wait()


async def test_idle_work_is_called_while_nothing_else_is_to_do(hop: Hop) -> None:
    called = threading.Event()

    def idle() -> float:
        called.set()
        return 0.001

    hop.idle = idle
    await hop.run(lambda: None)  # the wait before it was one without a limit

    assert await hop.run(lambda: called.wait(10))


async def test_a_loop_that_is_gone_harms_nobody(hop: Hop) -> None:
    end = threading.Event()

    def other_loop() -> None:
        async def leave() -> None:
            with anyio.move_on_after(0.001):
                await hop.run(lambda: end.wait(10))

        anyio.run(leave)
        end.set()

    thread = threading.Thread(target=other_loop)
    thread.start()
    assert await hop.run(lambda: "still here") == "still here"
    thread.join()
