"""Rule 17: a retried run asks again what its failure withdrew, and keeps what a person decided."""

from __future__ import annotations

import pytest

import perdure
from perdure import approval, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from tests.laws.node import events_of, node, until
from tests.semantics.asking import DAY

pytestmark = pytest.mark.anyio

LONG = {"text": "x" * 500}
broken: list[bool] = []


@step
async def fragile() -> str:
    if broken:
        raise ValueError("broken")
    return "whole"


@workflow
async def beside_a_failure() -> list[str]:
    first = await approval("begin")
    result, last = await perdure.gather(fragile(), approval("ship", show=LONG, timeout=DAY))
    return [first.by, result, last.by]


async def test_rule_17_a_retried_run_asks_again_what_its_failure_withdrew() -> None:
    log = MemoryLog()
    broken[:] = [True]
    async with node(log.carrier(), beside_a_failure) as runtime:
        run = await runtime.start(beside_a_failure, id="one")
        (begin,) = await run.approvals()
        await run.approve(begin, by="Ada")
        with pytest.raises(perdure.RunError):
            await run.result()
        failed = await run.approvals()
        broken.clear()
        await run.retry()
        (ship,) = await run.approvals()
        await run.approve(ship, by="Bob")
        result = await run.result()

    (_, asked) = [event for event in events_of(log, "one") if isinstance(event, ev.ApprovalRequested)]
    assert failed == []
    assert result == ["Ada", "whole", "Bob"]
    assert (ship.show, ship.digest) == (LONG, asked.digest)


@workflow
async def decided_behind_the_failure() -> list[str]:
    async def tidy() -> str:
        try:
            return await fragile()
        except perdure.StepError:
            await perdure.signal("go on")
            raise

    result, last = await perdure.gather(tidy(), approval("ship"))
    return [result, last.by]


async def test_rule_17_what_a_person_decided_behind_the_failure_still_counts() -> None:
    log = MemoryLog()
    broken[:] = [True]
    async with node(log.carrier(), decided_behind_the_failure) as runtime:
        run = await runtime.start(decided_behind_the_failure, id="one")
        await until(lambda: any(isinstance(event, ev.StepFailed) for event in events_of(log, "one")))
        (ship,) = await run.approvals()
        await run.approve(ship, by="Ada")
        await run.signal("go on")
        with pytest.raises(perdure.RunError):
            await run.result()
        broken.clear()
        await run.retry()
        result = await run.result()

    assert result == ["whole", "Ada"]


@step
async def faster() -> str:
    return "faster"


@workflow
async def behind_a_race() -> str:
    await perdure.first_of(faster(), approval("slower"))
    return await fragile()


async def test_rule_17_a_run_that_was_taken_back_may_be_taken_back_further_to_where_it_still_asked() -> None:
    log = MemoryLog()
    broken[:] = [True]
    async with node(log.carrier(), behind_a_race) as runtime:
        run = await runtime.start(behind_a_race, id="one")
        for from_version in (None, 1):
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry(from_version=from_version)
        with pytest.raises(perdure.RunError):
            await run.result()
        broken.clear()
        await run.retry()

        assert await run.result() == "whole"
