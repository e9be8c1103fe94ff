"""signal_or_start is atomic: a run and its first signal, or only the signal where the run is there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import Refused, signal
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import SignalOrStartRun
from perdure.runtime.run.events import CODEC
from tests.laws.node import PATIENCE, named, node, stream

pytestmark = pytest.mark.anyio


@perdure.workflow
async def basket(owner: str) -> list[str]:
    items = [owner]
    while (item := await signal("item", str)) != "":
        items.append(item)
    return items


@perdure.workflow
async def at_once(owner: str) -> str:
    return owner


@pytest.mark.parametrize("kept", ["memory:", "sqlite:///"])
async def test_the_first_begins_the_run_and_all_are_told(kept: str, tmp_path: Path) -> None:
    url = kept if kept == "memory:" else f"sqlite:///{tmp_path}/log.db"
    async with perdure.open(url, workflows=[basket]) as runtime:
        for item in ("tea", "jam"):
            await runtime.signal_or_start(basket, "ann", id="b", signal="item", value=item)
        run = await runtime.signal_or_start(basket, "ann", id="b", signal="item", value="")

        assert await run.result(within=PATIENCE) == ["ann", "tea", "jam"]


async def test_the_beginning_and_the_signal_are_one_record() -> None:
    log = MemoryLog()
    async with node(log.carrier(), basket) as runtime:
        await runtime.signal_or_start(basket, "ann", id="b", signal="item", value="tea")
        await runtime.signal_or_start(basket, "whoever", id="b", signal="item", value="jam")
    records = [[type(event).__name__ for event in CODEC.decode(record.data).events] for record in log.streams[stream("b")]]

    assert records == [["RunStarted", "SignalReceived"], ["SignalReceived"]]


async def test_many_at_once_begin_one_run() -> None:
    log = MemoryLog()
    async with node(log.carrier(), basket) as runtime:
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(_add, runtime, str(number))
        run = await runtime.signal_or_start(basket, "ann", id="b", signal="item", value="")
        items = await run.result(within=PATIENCE)

    assert sorted(items[1:], key=int) == [str(number) for number in range(20)]
    assert named(log, "b").count("RunStarted") == 1


async def _add(runtime: Any, item: str) -> None:
    await runtime.signal_or_start(basket, "ann", id="b", signal="item", value=item)


async def test_a_repeat_counts_once() -> None:
    log = MemoryLog()
    async with node(log.carrier(), basket) as runtime:
        request = SignalOrStartRun(workflow="basket", arguments=Raw(b'["ann"]'), run="b", signal="item", value=Raw(b'"tea"'), command="c")
        answers = [msgspec.json.encode(await runtime.do(request)) for _ in range(2)]

    assert answers[0] == answers[1]
    assert named(log, "b") == ["RunStarted", "SignalReceived"]


async def test_a_repeat_counts_once_though_the_run_ended_at_once() -> None:
    log = MemoryLog()
    async with node(log.carrier(), at_once) as runtime:
        for _ in range(2):
            run = runtime.signal_or_start(at_once, "ann", id="b", signal="item", command="c")
            assert await (await run).result(within=PATIENCE) == "ann"

    assert named(log, "b") == ["RunStarted", "RunCompleted"]


async def test_a_run_that_has_ended_is_not_told_and_may_be_followed_by_another() -> None:
    log = MemoryLog()
    async with node(log.carrier(), basket, at_once) as runtime:
        first = await runtime.signal_or_start(basket, "ann", id="b", signal="item", value="")
        await first.result()
        with pytest.raises(Refused, match="has ended"):
            await runtime.signal_or_start(basket, "ann", id="b", signal="item", value="tea")
        await runtime.signal_or_start(basket, "bob", id="b", signal="item", value="jam", reuse="always")
        second = await runtime.signal_or_start(basket, "bob", id="b", signal="item", value="")
        with pytest.raises(Refused):
            await runtime.signal_or_start(at_once, "bob", id="b", signal="item")

        assert await second.result(within=timedelta(seconds=5)) == ["bob", "jam"]


async def test_a_run_of_another_workflow_is_not_told() -> None:
    async with node(MemoryLog().carrier(), basket, at_once) as runtime:
        await runtime.start(basket, "ann", id="b")
        with pytest.raises(Refused, match="another workflow"):
            await runtime.signal_or_start(at_once, "bob", id="b", signal="item")
