"""Rule 10: the commands that a generation accepted are known to every later one: a repeat counts once and gets its first answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import RunError, Runtime, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from perdure.runtime.requests import AnyRequest, Applied, CancelRun, SignalRun
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, events_of, named, node, stream, until

pytestmark = pytest.mark.anyio


@workflow
async def counts(generation: int, sum_so_far: int) -> int:
    """Each generation takes one number; the third waits for the last."""
    sum_so_far += await perdure.signal("number", int)
    if generation == 3:
        return sum_so_far
    return await perdure.continue_as(generation + 1, sum_so_far)


@asynccontextmanager
async def serving(log: MemoryLog) -> AsyncGenerator[Runtime]:
    async with node(log.carrier(), counts) as runtime:
        yield runtime


async def applied(runtime: Runtime, request: AnyRequest) -> Applied:
    answer = await runtime.do(request)
    assert isinstance(answer, Applied)
    return answer


def number(value: int, command: str) -> SignalRun:
    return SignalRun(run="r", name="number", value=Raw(msgspec.json.encode(value)), command=command)


async def test_a_repeated_signal_of_an_earlier_generation_counts_once_and_gets_its_first_answer() -> None:
    log = MemoryLog()
    async with serving(log) as runtime:
        run = await runtime.start(counts, 1, 0, id="r")
        first = await applied(runtime, number(1, "one"))
        second = await applied(runtime, number(10, "two"))
        await until(lambda: named(log, "r").count("Continued") == 2)

        assert (await applied(runtime, number(1, "one"))).version == first.version
        assert (await applied(runtime, number(10, "two"))).version == second.version
        await applied(runtime, number(100, "three"))
        assert await run.result(within=PATIENCE) == 111

    heard = [event.command for event in events_of(log, "r") if isinstance(event, ev.SignalReceived)]
    assert heard == ["one", "two", "three"]


async def test_a_cancel_before_the_next_generation_ends_that_one_and_is_known_there() -> None:
    log = MemoryLog()
    async with serving(log) as runtime:
        run = await runtime.start(counts, 1, 0, id="r")
        await run.pause()
        await applied(runtime, number(1, "one"))
        first = await applied(runtime, CancelRun(run="r", command="stop"))  # ends the pause: the signal is taken, and then this
        with pytest.raises(RunError) as ended:
            await run.result(within=PATIENCE)

        assert (await applied(runtime, CancelRun(run="r", command="stop"))).version == first.version
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert ended.value.status == "cancelled"
    told = named(log, "r")
    assert [name for name in told if name in ("Continued", "CancelRequested", "RunCancelled")] == [
        "CancelRequested", "Continued", "RunCancelled",
    ]  # fmt: skip
