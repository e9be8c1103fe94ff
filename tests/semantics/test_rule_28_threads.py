"""Rule 28: a plain step runs in a thread, which cannot be killed: the next attempt waits until it has ended."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Lock, get_ident

import anyio
import pytest

from perdure import Retry, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, named, node, until

LIMIT = timedelta(milliseconds=20)
lock, go = Lock(), Event()
threads: list[int] = []


@step(retry=Retry(attempts=2, first=timedelta(0)), timeout=LIMIT)
def stubborn() -> int:
    with lock:
        threads.append(get_ident())
        number = len(threads)
    if number == 1:
        go.wait(PATIENCE.total_seconds())
    return number


@workflow
async def waits_for_it() -> int:
    return await stubborn()


@pytest.mark.anyio
async def test_the_next_attempt_waits_for_the_thread_of_the_one_that_took_too_long() -> None:
    threads.clear()
    go.clear()
    log = MemoryLog()
    async with node(log.carrier(), waits_for_it) as runtime:
        run = await runtime.start(waits_for_it, id="r")
        await until(lambda: threads)
        await anyio.sleep(10 * LIMIT.total_seconds())
        begun, recorded = len(threads), named(log, "r")
        go.set()

        assert await run.result(within=PATIENCE) == 2
    assert (begun, recorded) == (1, ["RunStarted", "StepScheduled"])
    assert get_ident() not in threads
    assert named(log, "r")[2:] == ["StepFailed", "StepCompleted", "RunCompleted"]
