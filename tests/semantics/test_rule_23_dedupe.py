"""Rule 23: an outcome counts once by its effect's id, a command once by its own; a repeat gets the first answer, also after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Raw

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import LookAtRun
from perdure.runtime.run.events import StepCompleted
from tests.laws.node import PATIENCE, Bench, named, node, stream, until

bench = Bench()


@step
async def slow() -> str:
    return await bench.held("slow")


@workflow
async def works() -> str:
    return await slow()


@workflow
async def gathers() -> list[str]:
    heard = [await perdure.signal("word", str), await perdure.signal("word", str)]
    await perdure.signal("end")
    return heard


@pytest.mark.anyio
async def test_a_second_outcome_of_one_effect_is_ignored() -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    log = MemoryLog()
    async with node(log.carrier(), works) as runtime:
        run = await runtime.start(works, id="r")
        await until(lambda: bench.begun)
        for word in (b'"first"', b'"second"'):
            runtime.dispatcher.post(stream("r"), StepCompleted("0", 1, Raw(word), 1, 2, "elsewhere"))

        bench.go.set()  # and a third, of the attempt that was begun here

        assert await run.result(within=PATIENCE) == "first"
    assert named(log, "r").count("StepCompleted") == 1


@pytest.mark.anyio
async def test_a_repeated_command_counts_once_in_one_file_over_restarts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    for number in range(3):
        async with perdure.open(url, workflows=[gathers]) as runtime:
            run = await runtime.start(gathers, id="r", command="begin")
            await run.signal("word", f"a{number}", command="one")
            await run.signal("word", f"b{number}", command="two")
            first = await run.look()
            await run.signal("word", "again", command="one")

            assert (await run.look()).version == first.version
    async with perdure.open(url, workflows=[gathers]) as runtime:
        await runtime.run("r").signal("end")

        assert await runtime.run("r").result(within=PATIENCE) == ["a0", "b0"]


@pytest.mark.anyio
async def test_a_look_says_whether_a_run_has_accepted_a_command_also_when_it_has_ended() -> None:
    async with node(MemoryLog().carrier(), gathers) as runtime:
        run = await runtime.start(gathers, id="r", command="begin")
        await run.signal("word", "a", command="one")
        with pytest.raises(perdure.NotFound, match="accepted no such command") as caught:
            await runtime.do(LookAtRun(run="r", accepted="two"))
        assert caught.value.found == "'two'"

        await run.signal("word", "b", command="two")
        await run.signal("end")
        await run.result(within=PATIENCE)
        told = await runtime.do(LookAtRun(run="r", accepted="two"))
    assert told.status == "completed"
