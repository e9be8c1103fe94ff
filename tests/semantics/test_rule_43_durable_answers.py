"""Rule 43: refusals and looks, too, wait for what they rest on; after an append that raised nobody is told more than is known."""

from __future__ import annotations

import anyio
import pytest

from perdure import Refused, Unavailable, step, workflow
from perdure.eventlog.faults import Fault, FaultyLog, Script, What
from perdure.eventlog.memory import MemoryLog
from tests.actors.account import WatchedLog
from tests.laws.node import PATIENCE, Bench, named, node, rest, until

bench = Bench()


@step
async def work() -> str:
    bench.attempt("work")
    return "done"


@workflow
async def job(n: int) -> str:
    return await work()


@pytest.mark.anyio
async def test_a_refusal_and_a_look_are_told_once_what_they_rest_on_is_durable() -> None:
    told, log = list[str](), WatchedLog()
    log.shut()
    async with node(log.carrier(), job) as runtime, anyio.create_task_group() as group:

        async def start(n: int) -> None:
            try:
                await runtime.start(job, n, id="r")
                told.append("started")
            except Refused:
                told.append("refused")

        async def look() -> None:
            told.append(await runtime.run("r").status())

        group.start_soon(start, 1)
        group.start_soon(start, 2)
        await until(lambda: log.held)
        group.start_soon(look)
        await rest()
        assert told == []
        log.gate.set()
    assert sorted(told)[:1] == ["refused"]
    assert len(told) == 3


@pytest.mark.parametrize("what", ["lost_reply", "refusal"])
@pytest.mark.anyio
async def test_who_asked_is_told_that_the_outcome_is_unknown_and_an_outcome_is_kept(what: What) -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    log = MemoryLog()
    door = FaultyLog(log, Script({1: Fault(what), 3: Fault(what)}))
    async with node(door.carrier(), job) as runtime:
        with pytest.raises(Unavailable):
            await runtime.start(job, 1, id="r", command="once")
        run = await runtime.start(job, 1, id="r", command="once")

        assert await run.result(within=PATIENCE) == "done"
    assert bench.count() == [1]
    assert named(log, "r") == ["RunStarted", "StepScheduled", "StepCompleted", "RunCompleted"]
