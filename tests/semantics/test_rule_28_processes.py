"""Rule 28: a plain step may run in a process of its own, which, unlike a thread, is killed when the attempt is cancelled."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

import perdure
from perdure import Invalid, RunError, Runtime, step, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.semantics.burning import Sum, add, burn, die_once, own_key, stumble

pytestmark = pytest.mark.anyio

PATIENCE = timedelta(seconds=60)
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@asynccontextmanager
async def opened(*workflows: Workflow[..., Any]) -> AsyncGenerator[Runtime]:
    with anyio.fail_after(PATIENCE.total_seconds()):
        async with perdure.open("memory:", workflows=workflows) as runtime:
            yield runtime


@workflow
async def adds() -> list[Sum]:
    return [await add([1, 2], WHEN), await add([3], WHEN)]


@workflow
async def keys() -> tuple[str, int, str]:
    return await own_key()


@workflow
async def stumbles(how: str, notes: str) -> str:
    return await stumble(how, notes)


@workflow
async def survives() -> str:
    return await die_once()


@workflow
async def burns(notes: str) -> str:
    try:
        await burn(notes)
    except perdure.StepError as error:
        return error.type
    return "not reached"


async def test_it_runs_in_another_process_which_is_kept_for_the_next() -> None:
    async with opened(adds, keys) as runtime:
        first, second = await (await runtime.start(adds)).result(within=PATIENCE)
        key, attempt, run = await (await runtime.start(keys, id="mine")).result(within=PATIENCE)

    assert (first.total, first.when, second.total) == (3, WHEN, 3)
    assert first.process == second.process != os.getpid()
    assert (len(key), attempt, run) == (32, 1, "mine")
    assert is_gone(first.process)


@pytest.mark.parametrize(
    ("how", "attempts", "failure"),
    [
        ("fails", 3, "ConnectionResetError: down"),
        ("is wrong", 1, "ValueError: wrong"),
        ("gives up", 1, "Fatal: never"),
        ("dies", 1, "ProcessEnded: the process that performed the attempt ended with status 3"),
    ],
)
async def test_its_errors_are_judged_like_any_others(how: str, attempts: int, failure: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with opened(stumbles) as runtime:
        with pytest.raises(RunError, match=failure):
            await (await runtime.start(stumbles, how, str(notes))).result(within=PATIENCE)

    assert len(notes.read_text().split()) == attempts


async def test_a_process_that_dies_is_a_failed_attempt() -> None:
    async with opened(survives) as runtime:
        assert await (await runtime.start(survives)).result(within=PATIENCE) == "alive"


async def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with opened(burns) as runtime:
        assert await (await runtime.start(burns, str(notes))).result(within=PATIENCE) == "TimeoutError"

    assert is_gone(int(notes.read_text()))


async def test_a_process_of_a_cancelled_run_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    async def begun() -> None:
        while not (notes.exists() and notes.read_text()):  # noqa: ASYNC110 - another process writes it
            await anyio.sleep(0.01)

    async with opened(burns) as runtime:
        run = await runtime.start(burns, str(notes))
        await begun()
        await run.terminate()

    assert is_gone(int(notes.read_text()))


async def test_a_process_may_leave_the_end_to_somebody_else(tmp_path: Path) -> None:
    async with opened(stumbles) as runtime:
        run = await runtime.start(stumbles, "later", str(tmp_path / "notes"), id="one")
        while (await run.look()).version < 3:  # noqa: ASYNC110 - asked from outside, as anybody would
            await anyio.sleep(0.01)
        await run.skip("stumble", "done by hand")

        assert await run.result(within=PATIENCE) == "done by hand"


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_another_process_could_not_find_is_refused_where_it_is_defined() -> None:
    def inner() -> None: ...

    with pytest.raises(Invalid, match="cannot run in a process") as caught:
        step(executor="process")(inner)
    assert "cannot import" in caught.value.found

    async def waits() -> None: ...

    with pytest.raises(Invalid, match="cannot run in a process"):
        step(executor="process")(waits)
    with pytest.raises(Invalid, match="cannot run in a process"):
        step(executor="process", heartbeat_timeout=timedelta(seconds=1))(is_gone)
    wrong: Any = "fibre"
    with pytest.raises(Invalid, match="no such executor"):
        step(executor=wrong)(is_gone)
