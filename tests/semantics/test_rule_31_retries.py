"""Rule 31: which failures are worth another attempt, and the limits of time over attempts, waits and the whole step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from perdure import Fatal, Invalid, Retry, RunError, Settings, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.retry import kinds_of
from perdure.runtime.run.events import StepFailed
from tests.laws.node import AT_ONCE, PATIENCE, Bench, events_of, killed_node, node, until

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=20)
AGAIN = timedelta(milliseconds=1)

bench: list[Bench] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    bench[:] = [Bench()]


class Busy(ConnectionError):
    """The other side is busy."""


ERRORS: dict[str, Exception] = {"busy": Busy("busy"), "wrong": ValueError("wrong"), "reset": ConnectionResetError("reset")}


@step(retry=Retry(attempts=3, first=AGAIN, on=(ConnectionError,), never_on=(ConnectionResetError,)))
async def call(what: str) -> None:
    bench[0].attempt(what)
    raise ERRORS[what]


@workflow
async def calls(what: str) -> None:
    await call(what)


@pytest.mark.parametrize(("what", "attempts"), [("busy", 3), ("wrong", 1), ("reset", 1)])
async def test_only_named_errors_and_those_below_them_are_tried_again(what: str, attempts: int) -> None:
    async with node(MemoryLog().carrier(1), calls) as runtime:
        with pytest.raises(RunError):
            await (await runtime.start(calls, what)).result(within=PATIENCE)

    assert bench[0].count() == [attempts]


async def test_fatal_is_never_tried_again() -> None:
    @step(retry=Retry(attempts=3, first=AGAIN, on=(Fatal,)))
    async def ends() -> None:
        bench[0].attempt("ends")
        raise Fatal("no")

    @workflow
    async def flow() -> None:
        await ends()

    async with node(MemoryLog().carrier(1), flow) as runtime:
        with pytest.raises(RunError):
            await (await runtime.start(flow)).result(within=PATIENCE)
    assert bench[0].count() == [1]


def test_kinds_are_told_apart_by_their_modules() -> None:
    ours = type("ConnectionError", (Exception,), {"__module__": "library"})

    assert Retry(on=(ConnectionError,)).covers(kinds_of(Busy()))
    assert not Retry(on=(ConnectionError,)).covers(kinds_of(ours()))


def test_a_pause_that_is_no_duration_is_refused() -> None:
    wrong: Any = 3600.0
    with pytest.raises(Invalid, match="durations") as refused:
        Retry(longest=wrong)
    assert refused.value.where == "longest"


def test_what_cannot_be_raised_is_refused() -> None:
    wrong: Any = ("ConnectionError",)
    with pytest.raises(Invalid, match="cannot be raised"):
        Retry(on=wrong)


# -- limits of time -----------------------------------------------------------------------------------------------------


async def failure_of(run: Any) -> str:
    with pytest.raises(RunError) as caught:
        await run.result(within=PATIENCE)
    assert caught.value.failure is not None
    return str(caught.value.failure.message)


@step(overall=SOON)
async def linger(what: str) -> str:
    return await bench[0].held(what)


@workflow
async def lingers() -> str:
    return await linger("a")


async def test_a_running_attempt_ends_when_the_overall_time_is_up() -> None:
    async with node(MemoryLog().carrier(1), lingers) as runtime:
        failure = await failure_of(await runtime.start(lingers))
        await until(lambda: bench[0].cancelled)

    assert failure == "step 'linger' failed: TimeoutError: the step's overall time was up"


async def test_the_overall_time_goes_on_while_nobody_serves_the_run() -> None:
    log = MemoryLog()
    async with killed_node(log, lingers) as runtime:
        await runtime.start(lingers, id="one")
        await until(lambda: bench[0].begun)
    await anyio.sleep(2 * SOON.total_seconds())
    async with node(log.carrier(2), lingers, settings=AT_ONCE) as runtime:
        assert "overall time was up" in await failure_of(runtime.run("one"))


async def test_no_attempt_is_planned_beyond_the_overall_time() -> None:
    log = MemoryLog()

    @step(overall=timedelta(seconds=30), retry=Retry(attempts=9, first=timedelta(seconds=60)))
    async def hopeless() -> None:
        raise ConnectionError("down")

    @workflow
    async def flow() -> None:
        await hopeless()

    async with node(log.carrier(1), flow) as runtime:
        assert "ConnectionError: down" in await failure_of(await runtime.start(flow, id="one"))
    assert [event.retry_at for event in events_of(log, "one") if isinstance(event, StepFailed)] == [None]


async def test_a_pause_between_attempts_ends_when_the_overall_time_is_up() -> None:
    log = MemoryLog()

    @step(overall=timedelta(milliseconds=60), retry=Retry(attempts=99, first=timedelta(milliseconds=50), factor=1, jitter=0))
    async def hopeless() -> None:
        raise ConnectionError("down")

    @workflow
    async def flow() -> None:
        await hopeless()

    async with node(log.carrier(1), flow) as runtime:
        await failure_of(await runtime.start(flow, id="one"))
    failed = [event for event in events_of(log, "one") if isinstance(event, StepFailed)]

    assert len(failed) <= 3


@step(start_within=SOON, retry=Retry(attempts=2, first=AGAIN))
async def prompt() -> str:
    bench[0].attempt("prompt")
    return "prompt"


@step
async def hog() -> str:
    return await bench[0].held("hog")


@workflow
async def hogs() -> str:
    return await hog()


@workflow
async def prompts() -> str:
    return await prompt()


async def test_an_attempt_that_waited_too_long_to_begin_fails_and_is_tried_again() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), hogs, prompts, settings=Settings(worker_concurrency=1)) as runtime:
        await runtime.start(hogs)
        await until(lambda: bench[0].begun)
        run = await runtime.start(prompts, id="one")
        await anyio.sleep(2 * SOON.total_seconds())
        bench[0].go.set()

        assert await run.result(within=PATIENCE) == "prompt"
    (failed,) = (event for event in events_of(log, "one") if isinstance(event, StepFailed))
    assert failed.error.message == "the attempt did not begin within 0:00:00.020000"
    assert len(bench[0].attempts) == 2


@pytest.mark.parametrize("limit", ["timeout", "overall", "start_within"])
def test_a_limit_of_time_must_be_positive(limit: str) -> None:
    options: Any = {limit: timedelta(0)}
    with pytest.raises(Invalid, match="a limit of time must be positive"):
        step(**options)(call.function)


def test_an_option_that_does_not_exist_is_told_with_those_that_do() -> None:
    options: Any = {"retries": 3}
    with pytest.raises(Invalid, match="a step has no such option") as caught:
        step(**options)(call.function)
    assert "at_most_once" in caught.value.expected
