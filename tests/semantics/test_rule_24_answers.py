"""A command answers when it is applied, that is, durable; an update when it is completed; a query at a durable version."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import anyio
import pytest

import perdure
from perdure import RunHandle, Runtime, cancel_run, continue_as, on_query, on_signal, on_update, signal, signal_run, sleep, wait_until
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import StepScheduled
from tests.actors.account import WatchedLog
from tests.laws.node import AT_ONCE, PATIENCE, events_of, named, node, rest, until

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@perdure.workflow
async def counter() -> int:
    count, closed = 0, False

    def add(number: int) -> int:
        nonlocal count
        count += number
        return count

    async def add_later(number: int) -> int:
        await sleep(timedelta(milliseconds=1))
        return add(number)

    def close() -> None:
        nonlocal closed
        closed = True

    on_update("add", add)
    on_update("add_later", add_later)
    on_signal("add", add)
    on_signal("close", close)
    on_query("count", lambda: count)
    await wait_until(lambda: closed)
    return count


@pytest.mark.parametrize("word", ["signal", "update", "query behind a signal", "signal_or_start"])
async def test_nothing_is_answered_before_it_is_durable(word: str) -> None:
    log = WatchedLog()
    async with node(log.carrier(), counter) as runtime:
        run = await runtime.start(counter, id="c")
        log.shut()
        said, before = list[Any](), list[Any]()

        async def ask(what: Awaitable[Any]) -> None:
            said.append(await what)

        async with anyio.create_task_group() as group:
            for what in _asked(runtime, run, word):
                group.start_soon(ask, what)
            await until(lambda: log.held)
            await rest()
            before += said
            log.gate.set()

    assert (before, len(said)) == ([], 2 if "behind" in word else 1)


def _asked(runtime: Runtime, run: RunHandle[int], word: str) -> list[Awaitable[Any]]:
    match word:
        case "signal":
            return [run.signal("add", 1)]
        case "update":
            return [run.update("add", 1)]
        case "query behind a signal":
            return [run.signal("add", 1), run.query("count")]
        case _:
            return [runtime.signal_or_start(counter, id="c", signal="add", value=1)]


async def test_an_update_answers_when_it_is_completed() -> None:
    log = MemoryLog()
    async with node(log.carrier(), counter) as runtime:
        run = await runtime.start(counter, id="c")
        answer = await run.update("add_later", 3)

        assert (answer, named(log, "c")[-1]) == (3, "UpdateCompleted")


async def test_a_paused_run_accepts_updates_and_answers_them_once_it_goes_on() -> None:
    log, said, before = MemoryLog(), list[int](), list[int]()
    async with node(log.carrier(), counter) as runtime:
        run = await runtime.start(counter, id="c")
        await run.pause()
    async with node(log.carrier(2), counter) as runtime:  # its code is not driven here, until somebody asks it
        run = runtime.run("c")

        async def add() -> None:
            said.append(await run.update("add", 2))

        async with anyio.create_task_group() as group:
            group.start_soon(add)
            await until(lambda: "UpdateAccepted" in named(log, "c"))
            before += said
            assert await run.query("count") == 0
            await run.resume()
        assert (before, said, await run.query("count")) == ([], [2], 2)


async def test_the_next_generation_has_handlers_of_its_own_and_the_answers_of_the_one_before() -> None:
    @perdure.step
    async def work(number: int) -> int:
        return number

    @perdure.workflow
    async def long(count: int) -> int:
        async def add(number: int) -> int:
            nonlocal count
            count += await work(number)
            return count

        on_update("add", add)
        on_query("count", lambda: count)
        if await signal("next", bool):
            await continue_as(count)
        return count

    log = MemoryLog()
    async with node(log.carrier(), long) as runtime:
        run = await runtime.start(long, 0, id="l")
        first = await run.update("add", 1, command="a")
        await run.signal("next", value=True)
        second = await run.update("add", 1, command="b")
        again = await run.update("add", 1, command="a")
        await run.signal("next", value=False)

        assert (first, second, again) == (1, 2, 1)
        assert await run.result(within=PATIENCE) == 2
        assert await run.query("count") == 2
    assert [event.id for event in events_of(log, "l") if isinstance(event, StepScheduled)] == ["add~0/0", "2:add~0/0"]


async def test_what_is_sent_to_another_run_answers_when_it_is_applied_there() -> None:
    @perdure.workflow
    async def sender() -> int:
        await signal_run("c", "add", 5)
        await cancel_run("d")
        return 1

    log = MemoryLog()
    async with node(log.carrier(), counter, sender, settings=AT_ONCE) as runtime:
        for id in ("c", "d"):
            await runtime.start(counter, id=id)
        await (await runtime.start(sender, id="s")).result(within=PATIENCE)

        assert named(log, "c")[-1] == "SignalReceived"
        assert named(log, "d")[-1] == "RunCancelled"
