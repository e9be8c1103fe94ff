"""Rule 35: a value over the hard limit is a terminal, typed error, and never tried again."""

from __future__ import annotations

import pytest

import perdure
from perdure import RunError, TooLarge
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.settings.node import Settings
from tests.runtime.serving import PATIENCE, serving
from tests.semantics.large import (
    NEVER,
    SMALL,
    arguing,
    boasting,
    careful,
    passing,
    stored,
    verdict,
)

pytestmark = pytest.mark.anyio


async def test_a_result_over_the_hard_limit_fails_its_step_for_good_with_a_typed_error() -> None:
    log = MemoryLog()
    async with serving(careful, log=log, settings=SMALL) as runtime:
        assert await (await runtime.start(careful, 70_000, id="r")).result(within=PATIENCE) == "TooLarge"
        assert runtime.pool.attempts == 1

    (failed,) = [event for event in stored(log) if event["type"] == "StepFailed"]
    assert (failed["error"]["type"], "retry_at" in failed) == ("TooLarge", False)
    assert failed["error"]["details"]["expected"] == "at most 65536 bytes as JSON"


@pytest.mark.parametrize("later", [SMALL, NEVER])
async def test_arguments_over_the_hard_limit_fail_the_step_and_replay_the_same_under_any_limit(later: Settings) -> None:
    log = MemoryLog()
    async with serving(arguing, log=log, settings=SMALL) as runtime:
        result = await (await runtime.start(arguing, 70_000, id="r")).result(within=PATIENCE)

    assert result == "TooLarge: the value is too large for the log"
    assert [event["blob"]["stored"] for event in stored(log) if event["type"] == "StepScheduled"] == [False]
    assert not log.blobs
    assert (await verdict(log, arguing)).agrees
    async with serving(arguing, carrier=log.carrier(2), settings=later) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == result


async def test_a_run_whose_result_is_over_the_hard_limit_fails() -> None:
    async with serving(boasting, settings=SMALL) as runtime:
        with pytest.raises(RunError) as caught:
            await (await runtime.start(boasting, 70_000)).result(within=PATIENCE)
        assert caught.value.failure is not None
        assert (caught.value.status, caught.value.failure.type) == ("failed", "TooLarge")


async def test_a_start_and_a_signal_over_the_hard_limit_are_refused_at_the_door() -> None:
    log = MemoryLog()
    async with serving(passing, log=log, settings=SMALL) as runtime:
        with pytest.raises(TooLarge, match="too large"):
            await runtime.start(passing, "g" * 70_000, 1, id="r")
        run = await runtime.start(passing, "g", 1, id="s")
        with pytest.raises(TooLarge, match="too large"):
            await run.signal("more", "m" * 70_000)
        await run.signal("more", "m")
        assert await run.result(within=PATIENCE) == "am"
    assert "run/default/r" not in log.streams


async def test_the_limits_must_make_sense() -> None:
    with pytest.raises(perdure.Invalid, match="bounds of large values"):
        Settings(large_bytes=100)
