"""A workflow never runs on the event loop.

It is driven by hand with no loop running, and can await only our effects; anything else is refused on the spot with an
error that says what to do instead.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import msgspec
import pytest
import trio

from perdure import RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, Flow, named, node, stream

pytestmark = pytest.mark.anyio


class Foreign:
    """An awaitable that hands its loop something of its own."""

    def __await__(self) -> Generator[object, None, None]:
        yield self


@step
async def work(n: int) -> int:
    return n


@workflow
async def foreign() -> None:
    await Foreign()


@workflow
async def a_moment() -> None:
    await asyncio.sleep(0)


@workflow
async def a_nap() -> None:
    await asyncio.sleep(1)


@workflow
async def a_task() -> None:
    await asyncio.create_task(asyncio.sleep(0))


@workflow
async def a_thread() -> None:
    await asyncio.to_thread(len, "")


@workflow
async def any_nap() -> None:
    await anyio.sleep(1)


@workflow
async def trio_nap() -> None:
    await trio.sleep(1)


@workflow
async def trio_task() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1)


@workflow
async def leaving() -> None:
    sys.exit(3)


REFUSED: list[Flow] = [foreign, a_moment, a_nap, a_task, a_thread, any_nap, trio_nap, trio_task]

ELSEWHERE = {"ForeignAwait", "RuntimeError", "NoEventLoopError", "AttributeError"}
"""How the words of a loop that does not run refuse by themselves, or are refused by us."""


async def ended(log: MemoryLog, flow: Flow) -> Failure:
    """How the run failed; and that the node is as well as before."""
    healthy: Flow = workflow(name="healthy")(_healthy)
    async with node(log.carrier(), flow, healthy) as runtime:
        with pytest.raises(RunError) as caught:
            await (await runtime.start(flow, id="a")).result(within=PATIENCE)
        assert await (await runtime.start(healthy, id="b")).result(within=PATIENCE) == 7
    failure = caught.value.failure
    assert failure is not None
    return failure


async def _healthy() -> int:
    return await work(7)


@pytest.mark.parametrize("flow", REFUSED, ids=lambda flow: flow.name)
async def test_what_only_a_loop_can_serve_is_refused(flow: Flow, anyio_backend_name: str) -> None:
    log = MemoryLog()
    failure = await ended(log, flow)

    assert named(log, "a") == ["RunStarted", "RunFailed"]
    assert failure.type in ({"ForeignAwait"} if _is_at_home(flow, anyio_backend_name) else ELSEWHERE)


def _is_at_home(flow: Flow, backend: str) -> bool:
    """Whether the words of the flow belong to the loop that runs; another's own refusal is as good."""
    return flow.name.startswith("trio") == (backend == "trio") or flow is foreign or flow is a_moment


async def test_the_refusal_says_which_line_and_what_to_do_instead() -> None:
    failure = await ended(MemoryLog(), foreign)

    details = msgspec.json.decode(failure.details or b"{}")
    assert "module tests.laws.test_law_4, line " in details["where"]
    assert "@step" in details["instead"]


async def test_a_workflow_that_exits_fails_and_the_node_goes_on() -> None:
    log = MemoryLog()
    failure = await ended(log, leaving)

    assert failure.type == "SystemExit"
    assert named(log, "a") == ["RunStarted", "RunFailed"]
    assert b'"kind":"code"' in log.streams[stream("a")][-1].data


async def test_an_async_generator_that_is_left_early_is_closed_by_us_and_replays_the_same() -> None:
    closed: list[Any] = []

    async def numbers() -> AsyncGenerator[int]:
        try:
            for number in range(9):
                yield await work(number)
        finally:
            closed.append("closed")

    @workflow
    async def taking() -> int:
        last = 0
        async for last in numbers():
            if last == 2:
                break
        return await work(last)

    log = MemoryLog()
    async with node(log.carrier(), taking) as runtime:
        assert await (await runtime.start(taking, id="a")).result(within=PATIENCE) == 2
        verdict = await replay(log, stream("a"), runtime.registry)

    assert verdict.agrees
    assert closed == ["closed", "closed"]
