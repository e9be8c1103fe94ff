"""Runs as their callers hold them: begun, told things, looked at and awaited, in this runtime and in the next."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import Invalid, NotFound, RunError, Unavailable, step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import (
    SignalRun,
    StartRun,
)
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, events_of, killed_node, named, node


@step
async def add(a: int, b: int) -> int:
    return a + b


@workflow
async def total(a: int, b: int = 2, c: int = 3) -> int:
    return await add(await add(a, b), c)


@workflow
async def parked() -> int:
    return await perdure.signal("n", int)


@workflow
async def tidy() -> int:
    try:
        return await perdure.signal("n", int)
    finally:
        await add(0, 0)


@workflow
async def broken() -> int:
    return {"here": await add(1, 1)}["there"]


@pytest.mark.anyio
async def test_however_the_arguments_are_passed_the_input_is_the_same() -> None:
    log = MemoryLog()
    async with node(log.carrier(), total) as runtime:
        await runtime.start(total, 1, id="a")
        await runtime.start(total, a=1, b=2, c=3)
        for request in (Raw(b"[1]"), Raw(b'{"a":1}'), Raw(b'{"c":3,"b":2,"a":1}')):
            assert (await runtime.do(StartRun(workflow="total", arguments=request, run="a"))).run == "a"

    started = [events_of(log, name.rpartition("/")[2])[0] for name in log.streams]
    assert [bytes(event.input) for event in started if isinstance(event, ev.RunStarted)] == [b"[1,2,3]", b"[1,2,3]"]


@pytest.mark.anyio
async def test_a_run_without_an_id_is_given_one_of_its_own() -> None:
    async with node(MemoryLog().carrier(), parked) as runtime:
        ids = [(await runtime.start(parked)).id for _ in range(20)]

    assert len(set(ids)) == 20
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{18}", id) for id in ids)


@pytest.mark.anyio
async def test_only_a_workflow_that_is_known_here_can_be_started() -> None:
    async def plain(a: int) -> int:
        return a

    async with node(MemoryLog().carrier(), total) as runtime:
        with pytest.raises(Invalid, match="only a workflow can be started"):
            await runtime.start(plain, 1)
        with pytest.raises(NotFound, match="no such workflow"):
            await runtime.start(parked)
        with pytest.raises(Invalid):
            await runtime.do(StartRun(workflow="total", arguments=Raw(b'["one"]')))


@pytest.mark.anyio
async def test_a_repeated_command_gets_its_first_answer_and_counts_once() -> None:
    log = MemoryLog()
    async with node(log.carrier(), parked) as runtime:
        await runtime.start(parked, id="a")
        signal = SignalRun(run="a", name="other", value=Raw(b"1"), command="once")
        first = await runtime.do(signal)
        await runtime.do(SignalRun(run="a", name="other", value=Raw(b"2"), command="twice"))
        again = await runtime.do(signal)
        start = await runtime.do(StartRun(workflow="parked", run="a"))

        assert (first.version, again.version, start.version) == (2, 2, 1)
    assert named(log, "a") == ["RunStarted", "SignalReceived", "SignalReceived"]


@pytest.mark.anyio
async def test_a_failed_run_says_with_what() -> None:
    async with node(MemoryLog().carrier(), broken) as runtime:
        run = await runtime.start(broken)
        with pytest.raises(RunError, match="KeyError") as caught:
            await run.result(within=PATIENCE)
        looked = await run.look()

    assert (caught.value.status, looked.status) == ("failed", "failed")
    assert looked.failure is not None
    assert looked.failure.type == "KeyError"


@pytest.mark.anyio
async def test_tenants_have_runs_of_their_own() -> None:
    async with node(MemoryLog().carrier(), parked) as runtime:
        await runtime.start(parked, id="a", tenant="north")
        with pytest.raises(NotFound):
            await runtime.run("a").look()

        assert await runtime.run("a", tenant="north").status() == "running"


@pytest.mark.anyio
async def test_who_waits_for_a_result_is_told_when_the_runtime_ends() -> None:
    told: list[str] = []

    async def wait(runtime: Runtime) -> None:
        try:
            await runtime.run("a").result()
        except Unavailable as error:
            told.append(error.message)

    async with anyio.create_task_group() as group, node(MemoryLog().carrier(), parked) as runtime:
        await runtime.start(parked, id="a")
        group.start_soon(wait, runtime)
        await anyio.wait_all_tasks_blocked()

    assert told == ["this node ended before the run"]


@pytest.mark.anyio
async def test_a_run_goes_on_in_the_next_runtime_on_the_same_log() -> None:
    log = MemoryLog()
    async with killed_node(log, tidy) as runtime:
        await runtime.start(tidy, id="a")
    async with node(log.carrier(2), tidy) as runtime:
        await runtime.run("a").signal("n", 3)

        assert await runtime.run("a").result(within=PATIENCE) == 3
    assert named(log, "a").count("RunStarted") == 1


@pytest.mark.anyio
async def test_a_run_goes_on_in_the_next_runtime_on_the_same_file(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "runs.db") as carrier, node(carrier, tidy) as runtime:
        await runtime.start(tidy, id="a")
    async with open_sqlite(tmp_path / "runs.db") as carrier, node(carrier, tidy) as runtime:
        await runtime.run("a").signal("n", 3)

        assert await runtime.run("a").result(within=PATIENCE) == 3
        assert carrier.epoch == 2
