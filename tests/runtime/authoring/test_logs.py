"""Ordinary logging: what workflow code says is said once, when it is durable, and every line names its run."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import perdure
from perdure import LogContext, Retry, signal, step, workflow
from perdure.eventlog.faults import Fault, FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import judge
from tests.actors.account import WatchedLog
from tests.laws.node import PATIENCE, node, stream

log = perdure.logger("tests.shop")
bare = logging.getLogger("tests.library")


class Heard(logging.Handler):
    """The lines that came out."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def said(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def fields(self) -> list[tuple[object, ...]]:
        return [tuple(vars(record)[name] for name in ("run", "workflow", "step", "effect", "attempt")) for record in self.records]


@pytest.fixture
def heard() -> Heard:
    heard = Heard()
    for name in ("tests.shop", "tests.library"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [heard]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return heard


@step(retry=Retry(attempts=2, first=timedelta(milliseconds=1)))
async def charge(order: str) -> str:
    log.info("charging %s", order)
    await anyio.lowlevel.checkpoint()
    if perdure.current().attempt == 1:
        raise ConnectionError(order)
    return f"receipt for {order}"


@step
def pack(order: str) -> None:
    bare.info("packing %s", order)


@workflow
async def shop(order: str) -> str:
    log.info("an order: %s", order)
    try:
        await signal("paid")
        log.info("paid", extra={"step": "mine"})
        await charge(order)
        await pack(order)
        return order
    finally:
        log.info("the end")


@pytest.mark.anyio
async def test_a_line_of_a_workflow_is_said_once_over_restarts(heard: Heard, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    async with perdure.open(url, workflows=[shop]) as runtime:
        await runtime.start(shop, "o-1", id="r-1")
        assert heard.said == ["an order: o-1"]
    async with perdure.open(url, workflows=[shop]) as runtime:
        assert await runtime.run("r-1").status() == "running"
    async with perdure.open(url, workflows=[shop]) as runtime:
        await runtime.run("r-1").signal("paid")
        await runtime.run("r-1").result(within=PATIENCE)

    assert heard.said == ["an order: o-1", "paid", "charging o-1", "charging o-1", "packing o-1", "the end"]


@pytest.mark.anyio
async def test_a_line_names_its_run_and_what_it_brings_itself_is_left(heard: Heard) -> None:
    heard.addFilter(LogContext())
    async with perdure.open("memory:", workflows=[shop]) as runtime:
        run = await runtime.start(shop, "o-1", id="r-1")
        await run.signal("paid")
        await run.result(within=PATIENCE)
    log.info("outside")

    assert heard.fields() == [
        ("r-1", "shop", "", "", ""),
        ("r-1", "shop", "mine", "", ""),
        ("r-1", "shop", "charge", "1", 1),
        ("r-1", "shop", "charge", "1", 2),
        ("r-1", "shop", "pack", "2", 1),
        ("r-1", "shop", "", "", ""),
        ("", "", "", "", ""),
    ]


@pytest.mark.anyio
async def test_a_line_waits_until_what_the_code_decided_is_durable(heard: Heard) -> None:
    durable = WatchedLog()
    durable.shut()
    async with node(durable.carrier(), shop) as runtime, anyio.create_task_group() as group:
        group.start_soon(lambda: runtime.start(shop, "o-1", id="r-1"))
        while not durable.held:
            await anyio.lowlevel.checkpoint()
        assert heard.said == []
        durable.gate.set()
        while not durable.records:
            await anyio.lowlevel.checkpoint()

    assert heard.said == ["an order: o-1"]


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["conflict", "refusal"])
async def test_code_that_is_driven_again_because_it_could_not_be_written_says_its_lines_once(heard: Heard, what: str) -> None:
    memory = MemoryLog()
    door = FaultyLog(memory, Script({2: Fault("refusal" if what == "refusal" else "conflict")}))
    async with node(door.carrier(1), shop) as runtime:
        run = await runtime.start(shop, "o-1", id="r-1")
        try:
            await run.signal("paid", command="p-1")
        except perdure.Unavailable:
            await run.signal("paid", command="p-1")
        await run.result(within=PATIENCE)

    assert heard.said.count("paid") == 1


@pytest.mark.anyio
async def test_a_replay_is_quiet(heard: Heard) -> None:
    memory = MemoryLog()
    async with node(memory.carrier(), shop) as runtime:
        run = await runtime.start(shop, "o-1", id="r-1")
        await run.signal("paid")
        await run.result(within=PATIENCE)
    before = list(heard.said)

    assert judge(stream("r-1"), memory.streams[stream("r-1")], Registry([shop])).agrees
    assert heard.said == before


@pytest.mark.anyio
async def test_a_library_that_logs_in_a_replayed_workflow_is_dropped_by_the_handler(heard: Heard) -> None:
    heard.addFilter(LogContext())

    @workflow
    async def talking() -> None:
        bare.info("a library speaks")
        await signal("go")

    memory = MemoryLog()
    async with node(memory.carrier(), talking) as runtime:
        await runtime.start(talking, id="r-1")
    async with node(memory.carrier(2), talking) as runtime:
        await runtime.run("r-1").signal("go")
        await runtime.run("r-1").result(within=PATIENCE)

    assert heard.said == ["a library speaks"]


@pytest.mark.anyio
async def test_a_line_is_written_as_it_was_when_it_was_said(heard: Heard) -> None:
    @workflow
    async def counting() -> None:
        items: list[int] = []
        log.info("%s", items)
        items.append(1)

    async with perdure.open("memory:", workflows=[counting]) as runtime:
        await (await runtime.start(counting)).result(within=PATIENCE)

    assert heard.said == ["[]"]
