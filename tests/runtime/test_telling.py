"""What goes wrong with a run is told where people look: in the log of the process, with a traceback, and in the error that they get."""

from __future__ import annotations

import logging

import anyio
import pytest

import perdure
from perdure import Fatal, RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime import life
from tests.laws.node import PATIENCE, killed_node, named, node, until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "perdure.runtime")


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level and record.name == "perdure.runtime"]


@step
async def breaks(how: str) -> None:
    raise Fatal("on purpose") if how == "fatal" else ValueError("unforeseen")


@workflow
async def careless() -> int:
    await perdure.signal("go")
    return {"a": 1}["b"]


@workflow
async def careful(how: str) -> str:
    try:
        await breaks(how)
    except perdure.StepError as error:
        return error.message
    return "whole"


@workflow
async def nowhere() -> float:
    return float("nan")


async def test_what_breaks_in_the_code_is_told_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    async with killed_node(log, careless) as runtime:
        run = await runtime.start(careless, id="r")
        await run.signal("go", None)
        await until(lambda: named(log, "r")[-1] == "RunFailed")
    async with node(log.carrier(2), careless) as runtime:
        with pytest.raises(RunError, match="KeyError: 'b'"):
            await runtime.run("r").result(within=PATIENCE)

    assert told(caplog, logging.ERROR) == ["run 'r' of workflow 'careless' failed"]
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said.exc_info is not None
    assert 'return {"a": 1}["b"]' in logging.Formatter().format(said)
    assert (vars(said)["run"], vars(said)["workflow"]) == ("r", "careless")


@pytest.mark.parametrize(("how", "level"), [("fatal", logging.INFO), ("unforeseen", logging.WARNING)])
async def test_a_step_that_fails_unforeseen_is_a_warning_and_one_that_gives_up_is_none(
    how: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with node(MemoryLog().carrier(), careful) as runtime:
        await (await runtime.start(careful, how, id="r")).result(within=PATIENCE)

    (said,) = [record for record in caplog.records if "failed" in record.getMessage()]
    assert (said.levelno, said.getMessage()) == (level, "attempt 1 of step 'breaks' (0 of run/default/r) failed")
    assert said.exc_info is not None


async def test_code_that_disagrees_with_the_log_is_told_with_both_columns(caplog: pytest.LogCaptureFixture) -> None:
    @workflow(name="careless")
    async def other() -> int:
        await breaks("fatal")
        return 1

    log = MemoryLog()
    async with killed_node(log, careless) as runtime:
        await runtime.start(careless, id="r")
    async with node(log.carrier(2), other) as runtime:
        await runtime.run("r").signal("go", None)
        await until(lambda: "Suspended" in named(log, "r"))
        await until(lambda: told(caplog, logging.ERROR))

    (said,) = told(caplog, logging.ERROR)
    assert said.startswith("run 'r' of workflow 'careless' is suspended: ")
    for part in ("expected:", "found:", "step 'breaks'", "instead:"):
        assert part in said


async def test_an_error_of_perdure_behind_a_failed_run_says_all_that_it_says() -> None:
    async with node(MemoryLog().carrier(), nowhere) as runtime:
        with pytest.raises(RunError) as caught:
            await (await runtime.start(nowhere)).result(within=PATIENCE)

    for part in ("who:", "expected:", "found:", "instead:"):
        assert f"\n  {part}" in str(caught.value)


async def test_closing_that_takes_its_time_says_for_what(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(life, "SILENT_SECONDS", 0.01)
    gate, begun = anyio.Event(), anyio.Event()

    @step
    async def lasts() -> None:
        begun.set()
        await gate.wait()

    @workflow
    async def waits() -> None:
        await lasts()

    async with anyio.create_task_group() as group, node(MemoryLog().carrier(), waits) as runtime:
        await runtime.start(waits)
        await begun.wait()

        async def free() -> None:
            await until(lambda: told(caplog, logging.WARNING))
            gate.set()

        group.start_soon(free)

    assert told(caplog, logging.WARNING) == ["1 steps still run: closing waits for their ends, 30 s at most"]
