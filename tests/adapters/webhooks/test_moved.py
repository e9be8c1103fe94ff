"""A run that has a URL to tell of its end moves to another log: the end is told from there, once, under the id that it would have had."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from msgspec import Raw

import perdure
from perdure.adapters.compose import deciding
from perdure.runtime.requests import StartRun
from tests.adapters.moving.shop import moved_in, moved_out
from tests.adapters.webhooks.receiver import Receiver


@perdure.workflow
async def waits() -> str:
    return await perdure.signal("go", str)


async def at_rest(runtime: perdure.Runtime, run: str) -> None:
    """Return once nothing more is to be done for a run here."""
    for _ in range(2000):
        found = await runtime.carrier.heads.get(f"run/default/{run}")
        if found is not None and found.head.wake_at is None:
            return
        await anyio.sleep(0.005)
    raise AssertionError(f"there is still something to do for run {run}")


@pytest.mark.anyio
async def test_an_end_that_nobody_was_told_of_is_told_from_the_log_that_the_run_has_moved_to(receiver: Receiver, tmp_path: Path) -> None:
    here, there = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    async with deciding(here, [waits]) as nobody:
        await nobody.do(StartRun(workflow="waits", arguments=Raw(b"[]"), run="r", on_end=f"{receiver.url}/200"))
        await nobody.run("r").terminate("while nobody serves it")
    await moved_out(here, there, tmp_path / "move", "r")
    await moved_in(there, tmp_path / "move")

    async with perdure.open(here, workflows=[waits]) as left:
        await at_rest(left, "r")
        assert (await left.webhooks("", run="r")).webhooks == []
    async with perdure.open(there, workflows=[waits]) as runtime:
        [request] = await anyio.to_thread.run_sync(receiver.wait, 1)
        await at_rest(runtime, "r")
        [line] = (await runtime.webhooks("", run="r")).webhooks

    assert (json.loads(request.body)["type"], request.id) == ("run.terminated", line.id)
    assert len(receiver.requests) == 1


@pytest.mark.anyio
async def test_a_run_that_moves_before_its_end_tells_of_it_from_where_it_ends(receiver: Receiver, tmp_path: Path) -> None:
    here, there = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    async with perdure.open(here, workflows=[waits]) as runtime:
        await runtime.start(waits, id="r", on_end=f"{receiver.url}/200")
    await moved_out(here, there, tmp_path / "move", "r")
    await moved_in(there, tmp_path / "move")

    async with perdure.open(there, workflows=[waits]) as runtime:
        await runtime.run("r").signal("go", "there")
        [request] = await anyio.to_thread.run_sync(receiver.wait, 1)
        await at_rest(runtime, "r")
    async with perdure.open(here, workflows=[waits]) as left:
        await at_rest(left, "r")

    assert json.loads(request.body)["data"]["result"] == "there"
    assert len(receiver.requests) == 1
