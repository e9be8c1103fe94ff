"""A saga undoes what was done, in reverse order, over errors, cancels and crashes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import perdure
from perdure import Retry, RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.testing import Simulation
from tests.laws.node import PATIENCE, node, until

done: list[str] = []


@pytest.fixture(autouse=True)
def _as_new() -> None:
    done.clear()


@step
async def book(what: str) -> str:
    done.append(f"book {what}")
    return f"{what}-1"


@step(retry=Retry(attempts=2))
async def release(ticket: str) -> None:
    await anyio.sleep(0.01)
    done.append(f"release {ticket}")


@step
async def refuses(ticket: str) -> None:
    raise ValueError(f"{ticket} cannot be given back")


@step
async def pay(cents: int) -> None:
    if cents > 100:
        raise ConnectionError("no money")


@workflow
async def trip(cents: int) -> str:
    async with perdure.saga() as undo:
        hotel = await book("hotel")
        undo(release, hotel)
        flight = await book("flight")
        undo(release, ticket=flight)
        await pay(cents)
    return "enjoy"


@workflow
async def waits() -> None:
    async with perdure.saga() as undo:
        undo(release, await book("hotel"))
        await perdure.signal("never")


@workflow
async def cannot_be_undone() -> str:
    try:
        async with perdure.saga() as undo:
            undo(release, await book("hotel"))
            undo(refuses, "car")
            await pay(1000)
    except ExceptionGroup as group:
        return ", ".join(type(error).__name__ for error in group.exceptions)
    return "not reached"


@workflow
async def called_too_early() -> None:
    async with perdure.saga() as undo:
        called: Any = release("hotel")
        undo(called)


@pytest.mark.anyio
async def test_what_ends_well_is_not_undone() -> None:
    async with node(MemoryLog().carrier(), trip) as runtime:
        assert await (await runtime.start(trip, 100)).result(within=PATIENCE) == "enjoy"
    assert done == ["book hotel", "book flight"]


@pytest.mark.anyio
async def test_an_error_undoes_all_in_reverse_order_and_is_raised() -> None:
    async with node(MemoryLog().carrier(), trip) as runtime:
        with pytest.raises(RunError, match="no money"):
            await (await runtime.start(trip, 101)).result(within=PATIENCE)
    assert done == ["book hotel", "book flight", "release flight-1", "release hotel-1"]


@pytest.mark.anyio
async def test_a_cancel_undoes_too() -> None:
    async with node(MemoryLog().carrier(), waits) as runtime:
        run = await runtime.start(waits)
        await until(lambda: done)
        await run.cancel()
        with pytest.raises(RunError) as ended:
            await run.result(within=PATIENCE)

    assert ended.value.status == "cancelled"
    assert done == ["book hotel", "release hotel-1"]


@pytest.mark.anyio
async def test_a_compensation_that_fails_keeps_none_of_the_others_from_being_done() -> None:
    async with node(MemoryLog().carrier(), cannot_be_undone) as runtime:
        assert await (await runtime.start(cannot_be_undone)).result(within=PATIENCE) == "StepError, StepError"
    assert done == ["book hotel", "release hotel-1"]


@pytest.mark.anyio
async def test_a_compensation_that_was_called_instead_of_passed_is_refused() -> None:
    async with node(MemoryLog().carrier(), called_too_early) as runtime:
        with pytest.raises(RunError, match="a function and its arguments"):
            await (await runtime.start(called_too_early)).result(within=PATIENCE)


def test_a_crash_in_the_middle_of_compensating_is_gone_on_with() -> None:
    outcome = Simulation(seed=3).run(trip, 101, crash_after_every_append=True)

    assert outcome.status == "failed"
    assert list(dict.fromkeys(done)) == ["book hotel", "book flight", "release flight-1", "release hotel-1"]


