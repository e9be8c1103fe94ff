"""Nothing leaves an actor before its events are durable: no reply, no refusal, no effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

import perdure
from perdure import Refused, step, workflow
from tests.actors.account import WatchedLog
from tests.laws.node import PATIENCE, Bench, node, rest, until

pytestmark = pytest.mark.anyio


class Told:
    """What callers were told, in the order in which they were."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def of(self, name: str, ask: Callable[[], Awaitable[object]]) -> None:
        try:
            await ask()
        except Refused:
            self.said.append(f"{name} refused")
        else:
            self.said.append(f"{name} answered")


async def test_a_start_is_answered_and_performed_only_once_it_is_durable() -> None:
    bench, told, log = Bench(), Told(), WatchedLog()

    @step
    async def work(n: int) -> int:
        bench.attempt("work")
        return n

    @workflow
    async def job(n: int) -> int:
        return await work(n)

    log.shut()
    async with node(log.carrier(), job) as runtime, anyio.create_task_group() as group:
        group.start_soon(told.of, "start", lambda: runtime.start(job, 1, id="a"))
        await until(lambda: log.held)
        await rest()

        assert (told.said, bench.count(), log.records) == ([], [], [])
        log.gate.set()
        assert await runtime.run("a").result(within=PATIENCE) == 1

    assert told.said == ["start answered"]
    assert bench.count() == [1]


async def test_a_refusal_waits_for_the_event_that_it_rests_on() -> None:
    """One of two starts is refused because of the other: while that could still be lost, nobody may know."""
    told, log = Told(), WatchedLog()

    @workflow
    async def job(n: int) -> int:
        return n

    log.shut()
    async with node(log.carrier(), job) as runtime, anyio.create_task_group() as group:
        group.start_soon(told.of, "first", lambda: runtime.start(job, 1, id="a"))
        group.start_soon(told.of, "second", lambda: runtime.start(job, 2, id="a"))
        await until(lambda: log.held)
        await rest()

        assert told.said == []
        log.gate.set()

    assert sorted(said.split()[1] for said in told.said) == ["answered", "refused"]
    assert len(log.records) == 1


async def test_the_step_that_a_signal_leads_to_waits_for_the_signal_to_be_durable() -> None:
    bench, told, log = Bench(), Told(), WatchedLog()

    @step
    async def work() -> None:
        bench.attempt("work")

    @workflow
    async def job() -> None:
        await perdure.signal("go")
        await work()

    async with node(log.carrier(), job) as runtime, anyio.create_task_group() as group:
        run = await runtime.start(job, id="a")
        log.shut()
        group.start_soon(told.of, "signal", lambda: run.signal("go"))
        await until(lambda: log.held)
        await rest()

        assert (told.said, bench.count()) == ([], [])
        log.gate.set()
        await run.result(within=PATIENCE)

    assert told.said == ["signal answered"]
    assert bench.count() == [1]


async def test_the_end_of_a_run_is_told_only_once_it_is_durable() -> None:
    told, log = Told(), WatchedLog()

    @workflow
    async def job() -> int:
        return await perdure.signal("go", int)

    async with node(log.carrier(), job) as runtime, anyio.create_task_group() as group:
        run = await runtime.start(job, id="a")
        group.start_soon(told.of, "result", run.result)
        await rest()
        log.shut()
        group.start_soon(told.of, "signal", lambda: run.signal("go", 1))
        await until(lambda: log.held)
        await rest()

        assert told.said == []
        log.gate.set()

    assert sorted(told.said) == ["result answered", "signal answered"]
