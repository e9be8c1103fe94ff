"""What once went wrong between the log and the code: errors with fields, timers due together, reasons, coroutines left over."""

from __future__ import annotations

import gc
from datetime import timedelta

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import gather, sleep, step, task_group, timeout, workflow
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.errors import failure_of
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical, restore
from perdure.runtime.settings.node import Settings

SECOND = timedelta(seconds=1)


class Refusal(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def test_a_failure_with_fields_can_be_read_from_the_log_again() -> None:
    event = ev.StepFailed("0", 1, failure_of(Refusal(402)), 1, 2, "w")
    (read,) = ev.CODEC.decode(ev.CODEC.encode(0, 1, [event])).events
    state = evolve(evolve(RunState(phase="running"), ev.StepScheduled("0", "pay", Raw(b"[]")), 0), read, 0)

    assert isinstance(read, ev.StepFailed)
    assert read.error.details == event.error.details == Raw(b'{"args":[402],"code":402}')
    assert canonical(restore(canonical(state))) == canonical(state)


def test_the_reason_of_a_cancelled_run_is_kept() -> None:
    state = evolve(RunState(phase="running"), ev.CancelRequested("customer left"), 0)

    assert evolve(state, ev.RunCancelled(), 0).reason == "customer left"


@workflow
async def alarms() -> list[int]:
    """Three branches whose timers are due at once, each of which then wants something."""

    async def one(n: int) -> int:
        await sleep(timedelta(0))
        await sleep(timedelta(0))
        return n

    return list(await gather(one(0), one(1), one(2)))


@pytest.mark.anyio
async def test_timers_due_together_replay() -> None:
    async with perdure.open("memory:", workflows=[alarms]) as runtime:
        run = await runtime.start(alarms, id="a")
        found = await run.result(within=timedelta(seconds=20))
        verdict = await replay(runtime.carrier.log, stream_of("run", "default", "a"), Registry([alarms]))

    assert found == [0, 1, 2]
    assert (verdict.agrees, verdict.difference) == (True, {})


begun: list[anyio.Event] = []


@step
async def endless() -> None:
    begun[0].set()
    await anyio.sleep_forever()


@workflow
async def held() -> None:
    async with timeout(timedelta(days=1)), task_group() as group:
        group.start(endless())


@pytest.mark.anyio
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
async def test_a_runtime_that_ends_with_a_step_in_flight_closes_the_code_itself() -> None:
    begun[:] = [anyio.Event()]
    async with perdure.open("memory:", workflows=[held], settings=Settings(drain_seconds=0.05)) as runtime:
        await runtime.start(held, id="h")
        await begun[0].wait()
    gc.collect()

    assert runtime.dispatcher.actors == {}
