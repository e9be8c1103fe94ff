"""Rule 29: a transactional step's rows and its outcome are one commit, so it takes effect exactly once; embedded only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio.lowlevel import checkpoint

import perdure
from perdure import Invalid, Refused, Retry, StepError, step, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.verify import verify_file
from perdure.eventlog.errors import Unavailable
from perdure.testing import Simulation
from tests import machine
from tests.crash import shim
from tests.semantics.moving import MOVES, Left
from tests.semantics.transacting import MAKE, PATIENCE, SECOND, asked, doing, ended, serving

pytestmark = pytest.mark.anyio

async def test_its_rows_and_its_outcome_are_there_and_it_sees_its_own_key(tmp_path: Path) -> None:
    @step(transactional=True, timeout=SECOND)
    def move(db: sqlite3.Connection, order: str, *, cents: int = 5) -> tuple[str, int]:
        db.execute("create table moved (name text, cents integer, key text)")
        db.execute("insert into moved values (?, ?, ?)", (order, cents, perdure.current().idempotency_key))
        return order, cents

    @workflow
    async def moves() -> list[Any]:
        return list(await move("o-1", cents=7))

    async with serving(tmp_path, moves) as runtime:
        assert await (await runtime.start(moves, id="one")).result(within=PATIENCE) == ["o-1", 7]

    assert asked(tmp_path, "select cents from moved") == [7]
    assert asked(tmp_path, "select key from moved") == asked(tmp_path, "select key from outcome")
    assert asked(tmp_path, "select stream from outcome") == ["run/default/one"]
    assert verify_file(tmp_path / "shop.db").verdict == "intact"


@pytest.mark.slow
def test_a_kill_leaves_rows_if_and_only_if_the_outcome_is_recorded_or_found() -> None:
    environment = os.environ | {"LD_PRELOAD": str(shim.built())}
    command = [sys.executable, "-m", "tests.semantics.moving", "29", "30"]
    done = subprocess.run(command, cwd=machine.ROOT, env=environment, capture_output=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr.decode()
    left = [msgspec.json.decode(line, type=Left) for line in done.stdout.splitlines()]
    everything = list(range(MOVES))
    assert len(left) == 30
    assert sum(one.was_killed for one in left) >= 25
    assert [one for one in left if one.rows != everything[: one.kept]] == []
    assert [one for one in left if not one.recorded <= one.kept <= one.recorded + 1] == []
    assert any(one.kept > one.recorded for one in left), "no kill hit between the commit and the record of the outcome"
    assert [one for one in left if (one.rows_at_last, one.total, one.damage) != (everything, MOVES, [])] == []


async def test_who_asks_again_is_given_the_kept_outcome_and_nothing_is_called(tmp_path: Path) -> None:
    calls: list[int] = []

    def work(db: sqlite3.Connection) -> bytes:
        calls.append(1)
        db.execute(MAKE)
        db.execute("insert into moved values ('mine')")
        return b"1"

    for _ in range(3):
        async with open_sqlite(tmp_path / "shop.db") as carrier:
            assert carrier.transactions is not None
            assert await carrier.transactions.once("run/default/one", "key", work, seconds=1) == b"1"

    assert (calls, asked(tmp_path, "select name from moved")) == ([1], ["mine"])


async def test_a_commit_that_fails_is_not_a_failure_of_the_step_and_is_asked_for_again(tmp_path: Path) -> None:
    """An answer that is lost leaves it unknown whether the function has run: the next try finds out by the key."""
    acts = doing(lambda _: "done")
    async with serving(tmp_path, acts) as runtime:
        behind = runtime.pool.transactions
        assert behind is not None
        answers: list[bytes] = []
        real = behind.once

        class Losing:
            async def once(self, stream: str, key: str, work: Callable[[Any], bytes], *, seconds: float) -> bytes:
                answers.append(await real(stream, key, work, seconds=seconds))
                if len(answers) < 3:
                    raise Unavailable("the answer was lost")
                return answers[-1]

        runtime.pool.transactions = Losing()
        assert await (await runtime.start(acts, id="one")).result(within=PATIENCE) == "done"

    assert len(answers) == 3
    assert asked(tmp_path, "select name from moved") == ["mine"]


async def test_an_exception_leaves_no_row_and_is_tried_again_by_the_policy(tmp_path: Path) -> None:
    attempts: list[int] = []

    def twice(_: sqlite3.Connection) -> str:
        attempts.append(perdure.current().attempt)
        if len(attempts) < 3:
            raise ConnectionError("not yet")
        return "third"

    assert await ended(tmp_path, doing(twice, retry=Retry(attempts=5, first=timedelta(milliseconds=1)))) == "third"
    assert attempts == [1, 2, 3]
    assert asked(tmp_path, "select name from moved") == ["mine"]
    assert len(asked(tmp_path, "select key from outcome")) == 1


async def test_a_final_exception_leaves_nothing_at_all(tmp_path: Path) -> None:
    def fails(_: sqlite3.Connection) -> None:
        raise ValueError("no")

    assert await ended(tmp_path, doing(fails)) == "ValueError: no"
    assert asked(tmp_path, "select name from sqlite_master where name = 'moved'") == []
    assert asked(tmp_path, "select key from outcome") == []


async def test_an_outcome_that_cannot_be_recorded_rolls_the_rows_back(tmp_path: Path) -> None:
    @step(transactional=True, timeout=SECOND)
    def wrong(db: sqlite3.Connection, size: int) -> str:
        db.execute(MAKE)
        no_text: Any = 1
        return "x" * size if size else no_text

    @workflow
    async def asks(size: int) -> str:
        try:
            return await wrong(size)
        except StepError as failed:
            return failed.message

    async with serving(tmp_path, asks) as runtime:
        large = await (await runtime.start(asks, 200_000)).result(within=PATIENCE)
        misfit = await (await runtime.start(asks, 0)).result(within=PATIENCE)

    assert "the outcome of a transactional step is too large" in large
    assert "the value does not fit its annotation" in misfit
    assert asked(tmp_path, "select name from sqlite_master where name = 'moved'") == []


async def test_a_run_that_is_cancelled_leaves_what_has_begun_whole_with_its_outcome_kept(tmp_path: Path) -> None:
    begun: list[int] = []

    def slow(_: sqlite3.Connection) -> str:
        begun.append(1)
        time.sleep(0.2)
        return "done"

    acts = doing(slow)
    async with serving(tmp_path, acts) as runtime:
        run = await runtime.start(acts, id="one")
        while not begun:
            await checkpoint()
        await run.cancel()
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        await runtime.pool.quiet("run/default/one")

    assert asked(tmp_path, "select name from moved") == ["mine"]
    assert asked(tmp_path, "select value from outcome") == [b'"done"']


async def test_an_interceptor_sees_the_value_and_cannot_unmake_the_outcome(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def spoils(_: perdure.Attempt, call_next: Callable[[], Any]) -> Any:
        seen.append(await call_next())
        raise RuntimeError("too late")

    assert await ended(tmp_path, doing(lambda _: "done"), interceptors=[spoils]) == "done"
    assert seen == ["done"]


async def test_fresh_keys_are_another_call_and_the_same_keys_are_not(tmp_path: Path) -> None:
    fails = [True]

    @step(transactional=True, timeout=SECOND)
    def move(db: sqlite3.Connection) -> int:
        db.execute(MAKE)
        db.execute("insert into moved values ('mine')")
        return int(db.execute("select count(*) from moved").fetchone()[0])

    @step
    async def then() -> None:
        if fails:
            raise ValueError("no")

    @workflow
    async def acts() -> int:
        count = await move()
        await then()
        return count

    async with serving(tmp_path, acts) as runtime:
        run = await runtime.start(acts, id="one")
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        await run.retry(from_version=1)
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        assert asked(tmp_path, "select count(*) from moved") == [1]
        fails.clear()
        await run.retry(from_version=1, fresh_keys=True)
        assert await run.result(within=PATIENCE) == 2


async def test_a_log_without_transactions_is_refused_at_the_door() -> None:
    acts = doing(lambda _: "done")

    with pytest.raises(Refused) as refused:
        async with perdure.open("memory:", workflows=[acts]):
            pass

    assert (refused.value.who, refused.value.message) == ("step 'act'", "a transactional step needs the embedded log")
    assert "idempotency_key" in refused.value.instead


def test_a_simulation_refuses_it_too() -> None:
    acts = doing(lambda _: "done")

    with pytest.raises(Refused, match="needs the embedded log"):
        Simulation(seed=1).run(acts)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "no timeout"),
        ({"timeout": SECOND, "overall": SECOND}, "overall"),
        ({"timeout": SECOND, "at_most_once": True}, "at_most_once"),
        ({"timeout": SECOND, "heartbeat_timeout": SECOND}, "heartbeat_timeout"),
        ({"timeout": SECOND, "executor": "process"}, "executor"),
    ],
)
def test_options_that_make_no_sense_beside_it_are_refused(options: dict[str, Any], found: str) -> None:
    with pytest.raises(Invalid) as invalid:

        @step(transactional=True, **options)
        def move(db: sqlite3.Connection) -> None: ...

    assert found in invalid.value.found


def test_it_is_a_plain_function_that_takes_the_connection_first() -> None:
    no_connection: Any = lambda: None  # noqa: E731 - as a user might
    with pytest.raises(Invalid, match="plain 'def'"):

        @step(transactional=True, timeout=SECOND)
        async def waits(db: sqlite3.Connection) -> None: ...

    with pytest.raises(Invalid, match="takes the connection first"):
        step(transactional=True, timeout=SECOND)(no_connection)


async def test_called_outside_a_workflow_it_says_how_to_test_it() -> None:
    @step(transactional=True, timeout=SECOND)
    def move(db: sqlite3.Connection, number: int) -> int:
        return int(db.execute("select ?", (number,)).fetchone()[0])

    with pytest.raises(Invalid, match=r"move\.function\(db"):
        await move(1)
    with closing(sqlite3.connect(":memory:")) as db:
        assert move.function(db, 7) == 7
