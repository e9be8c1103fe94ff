"""Rule 13: a wall clock that jumps by more than 30 s against a steady one holds timers and says so, until confirmed or back."""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import count

import pytest

import perdure
from perdure import workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from tests.laws.node import PATIENCE, named, rest, until
from tests.semantics.clocks import HandClock, clocked

NAP = 50
numbers = count()


@workflow
async def naps() -> str:
    await perdure.sleep(timedelta(seconds=NAP))
    return "awake"


async def looked(runtime: Runtime) -> None:
    """The alarm has looked at the clock, and whoever it woke has had a turn."""
    await runtime.alarm.sweep()
    runtime.alarm.wake_at(f"run/default/nobody-{next(numbers)}", 0)
    await rest()


@pytest.mark.parametrize("seconds", [31, 3600, -3600])
@pytest.mark.anyio
async def test_a_jump_holds_timers_and_is_told_once(seconds: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "perdure")
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, naps) as runtime:
        await runtime.start(naps, id="r")
        await looked(runtime)
        clock.jump(seconds)
        for _ in range(3):
            clock.pass_by(NAP)
            await looked(runtime)

        assert "TimerFired" not in named(log, "r")
    assert [f"jumped by {seconds:+.1f} s" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.anyio
async def test_back_where_it_was_it_is_believed_again() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, naps) as runtime:
        run = await runtime.start(naps, id="r")
        await looked(runtime)
        clock.jump(3600)
        await looked(runtime)
        clock.jump(-3600)
        await looked(runtime)
        assert "TimerFired" not in named(log, "r")
        clock.pass_by(NAP)
        await looked(runtime)

        assert await run.result(within=PATIENCE) == "awake"


@pytest.mark.anyio
async def test_confirmed_it_is_believed_as_it_is() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, naps) as runtime:
        run = await runtime.start(naps, id="r")
        await looked(runtime)
        clock.jump(3600)
        await looked(runtime)
        runtime.confirm_clock()

        assert await run.result(within=PATIENCE) == "awake"


@pytest.mark.anyio
async def test_small_corrections_and_a_machine_that_slept_are_no_jump() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, naps) as runtime:
        run = await runtime.start(naps, id="r")
        await looked(runtime)
        clock.jump(29)
        await looked(runtime)
        clock.pass_by(8 * 3600)
        await looked(runtime)

        assert await run.result(within=PATIENCE) == "awake"


@pytest.mark.anyio
async def test_meanwhile_runs_that_wait_for_no_timer_go_on() -> None:
    log, clock = MemoryLog(), HandClock()

    @workflow
    async def waits() -> str:
        return await perdure.signal("go", str)

    async with clocked(log, clock, naps, waits) as runtime:
        await looked(runtime)
        clock.jump(3600)
        await looked(runtime)
        run = await runtime.start(waits, id="w")
        await run.signal("go", "on")
        await until(lambda: "RunCompleted" in named(log, "w"))

        assert await run.result(within=PATIENCE) == "on"


@workflow
async def asks(within: int) -> str:
    found = await perdure.approval("pay", timeout=timedelta(seconds=within) if within else None)
    return found.outcome


@pytest.mark.parametrize("seconds", [3600, -3600])
@pytest.mark.anyio
async def test_an_approval_that_expires_is_decided_by_a_clock_that_is_believed(seconds: int) -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, asks) as runtime:
        run = await runtime.start(asks, NAP, id="r")
        await looked(runtime)
        (asked,) = await run.approvals()
        clock.jump(seconds)

        with pytest.raises(perdure.Unavailable, match="the wall clock has jumped"):
            await run.approve(asked, by="Ada", command="once")

        clock.jump(-seconds)
        await run.approve(asked, by="Ada", command="once")
        assert await run.result(within=PATIENCE) == "approved"


@pytest.mark.anyio
async def test_an_approval_without_an_end_is_decided_whatever_the_clock_shows() -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, asks) as runtime:
        run = await runtime.start(asks, 0, id="r")
        await looked(runtime)
        (asked,) = await run.approvals()
        clock.jump(3600)

        await run.approve(asked, by="Ada")
        assert await run.result(within=PATIENCE) == "approved"


@pytest.mark.parametrize("seconds", [3600, -3600])
@pytest.mark.anyio
async def test_a_run_that_is_resumed_meanwhile_keeps_its_timers_until_the_clock_is_back(seconds: int) -> None:
    log, clock = MemoryLog(), HandClock()
    async with clocked(log, clock, naps) as runtime:
        run = await runtime.start(naps, id="r")
        await looked(runtime)
        await run.pause()
        clock.jump(seconds)
        await run.resume()
        await looked(runtime)
        assert "TimerFired" not in named(log, "r")

        clock.jump(-seconds)
        clock.pass_by(NAP)
        await looked(runtime)
        assert await run.result(within=PATIENCE) == "awake"
