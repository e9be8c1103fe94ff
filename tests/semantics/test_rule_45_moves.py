"""Rule 45: a run may move to another log, and lives in one log at a time; what it did is the same, wherever it did it."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from perdure import Refused, signal, step, workflow
from perdure.adapters.moving.arriving import bring_in
from perdure.adapters.moving.leaving import export
from perdure.adapters.moving.returning import take_back
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import Verdict, replay
from perdure.runtime.requests import MoveRunIn
from tests.adapters.moving.memory import desk_of
from tests.laws.node import killed_node, named, node, stream


@step
async def pack(what: str) -> str:
    return f"packed {what}"


@workflow
async def order(what: str) -> list[str]:
    return [await pack(what), await signal("address", str), await pack("the rest")]


async def half_way() -> MemoryLog:
    log = MemoryLog()
    async with killed_node(log, order) as runtime:
        await runtime.start(order, "tea", id="o")
        while "StepCompleted" not in named(log, "o"):  # noqa: ASYNC110 - a log has no bell
            await anyio.sleep(0.001)
    return log


async def ended(log: MemoryLog) -> Verdict:
    async with node(log.carrier(20), order) as runtime:
        await runtime.run("o").signal("address", "Elm Street")
        await runtime.run("o").result()
        return await replay(log, stream("o"), runtime.registry)


async def left(log: MemoryLog, file: Path) -> str:
    async with desk_of(log, "here") as (found, _):
        return (await export(found, ["o"], "there", file)).move


@pytest.mark.anyio
async def test_what_a_run_did_is_the_same_though_it_moved_half_way(tmp_path: Path) -> None:
    here, there, home = await half_way(), MemoryLog(), await half_way()
    await left(here, tmp_path / "move")
    async with desk_of(there, "there") as (found, _):
        await bring_in(found, tmp_path / "move")

    moved, stayed = await ended(there), await ended(home)

    assert (moved.agrees, moved.content_digest) == (True, stayed.content_digest)
    assert [record.digest for record in there.streams[stream("o")]][: len(here.streams[stream("o")])] == [
        record.digest for record in here.streams[stream("o")]
    ]


@pytest.mark.anyio
async def test_a_run_that_has_left_its_log_is_decided_there_no_more(tmp_path: Path) -> None:
    here = await half_way()
    move = await left(here, tmp_path / "move")

    async with node(here.carrier(20), order) as runtime:
        run = runtime.run("o")
        for wish in (run.resume, run.cancel, run.terminate, run.pause, run.retry):
            with pytest.raises(Refused, match="moved to another log"):
                await wish()
        with pytest.raises(Refused, match="moved to another log"):
            await runtime.start(order, "tea", id="o", reuse="always")
        with pytest.raises(Refused, match="has not taken the move"):
            await runtime.do(MoveRunIn(run="o", move=move, source="here"))
        assert await run.status() == "moved"
    assert named(here, "o")[-1] == "MovedOut"


@pytest.mark.anyio
async def test_of_import_and_taking_back_the_first_counts(tmp_path: Path) -> None:
    for wins in ("import", "taking back"):
        here, there = await half_way(), MemoryLog()
        move = await left(here, tmp_path / wins)
        async with desk_of(here, "here") as (source, _), desk_of(there, "there") as (to, _):
            if wins == "import":
                await bring_in(to, tmp_path / wins)
                with pytest.raises(Refused, match="go on in the other log"):
                    await take_back(source, to, move)
            else:
                await take_back(source, to, move)
                with pytest.raises(Refused, match="taken back"):
                    await bring_in(to, tmp_path / wins)
        assert (await ended(there if wins == "import" else here)).agrees


@pytest.mark.anyio
async def test_a_pause_of_a_person_outlasts_the_move_and_that_of_the_move_does_not(tmp_path: Path) -> None:
    for by_person in (True, False):
        here, there = await half_way(), MemoryLog()
        if by_person:
            async with node(here.carrier(2), order) as runtime:
                await runtime.run("o").pause("lunch")
        file = tmp_path / str(by_person)
        await left(here, file)
        async with desk_of(there, "there") as (found, _):
            await bring_in(found, file)
        async with node(there.carrier(20), order) as runtime:
            await runtime.run("o").signal("address", "Elm Street")
            if by_person:
                assert await runtime.run("o").status() == "paused"
                await runtime.run("o").resume()
            assert await runtime.run("o").result() == ["packed tea", "Elm Street", "packed the rest"]
