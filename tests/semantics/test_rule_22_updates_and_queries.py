"""Updates validate first and answer with the result; queries are read-only at a durable version, whatever the run's state."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import HandlerError, Invalid, NotFound, Refused, Runtime, Unavailable, on_query, on_update, sleep, wait_until
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.inspect.aside import answer_aside
from perdure.runtime.run import events as ev
from perdure.runtime.run.commands import Query
from perdure.runtime.run.evolve import messages as kept
from tests.laws.node import PATIENCE, events_of, killed_node, named, node, stream, until

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@perdure.step
async def reserve(item: str) -> str:
    return f"{item} reserved"


@perdure.workflow
async def cart(limit: int) -> dict[str, int]:
    items: dict[str, int] = {}
    closed = False

    def may_add(item: str, count: int) -> None:
        if sum(items.values()) + count > limit:
            raise ValueError(f"the cart holds at most {limit}")

    def add(item: str, count: int) -> int:
        items[item] = items.get(item, 0) + count
        return items[item]

    def count(item: str) -> int:
        return items[item]

    async def order(item: str) -> str:
        items.setdefault(item, 0)
        return await reserve(item)

    async def close() -> None:
        nonlocal closed
        closed = True

    on_update("add", add, validate=may_add)
    on_update("order", order)
    on_update("close", close)
    on_query("items", lambda: items)
    on_query("count", count)
    await wait_until(lambda: closed)
    return items


@asynccontextmanager
async def opened(url: str, *workflows: Workflow[..., Any]) -> AsyncGenerator[Runtime]:
    with anyio.fail_after(PATIENCE.total_seconds()):
        async with perdure.open(url, workflows=workflows) as runtime:
            yield runtime


@pytest.fixture(params=["memory:", "sqlite:///"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name: str = request.param
    return name if name == "memory:" else f"sqlite:///{tmp_path}/log.db"


async def test_an_update_answers_with_what_its_handler_returns(url: str) -> None:
    async with opened(url, cart) as runtime:
        run = await runtime.start(cart, 5, id="c")

        assert await run.update("add", "tea", 2) == 2
        assert await run.update("add", "tea", 1, returns=int) == 3
        assert await run.update("order", "jam", returns=str) == "jam reserved"
        assert await run.query("items", returns=dict[str, int]) == {"tea": 3, "jam": 0}
        with pytest.raises(Refused, match="the cart holds at most 5"):
            await run.update("add", "rice", 9)
        await run.update("close")
        assert await run.result() == {"tea": 3, "jam": 0}


async def test_what_the_validator_refuses_is_not_recorded() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cart) as runtime:
        run = await runtime.start(cart, 1, id="c")
        before = events_of(log, "c")
        with pytest.raises(Refused):
            await run.update("add", "tea", 2)
        with pytest.raises(Invalid):
            await run.update("add", "tea", "two")
        with pytest.raises(Refused, match="no update of this name") as unknown:
            await run.update("pay")

        assert events_of(log, "c") == before
        assert unknown.value.expected == "add, close, order"


async def test_an_update_repeated_with_its_command_gets_its_first_answer() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cart) as runtime:
        run = await runtime.start(cart, 100, id="c")
        answers = [await run.update("add", "tea", 2, command="x") for _ in range(3)]
        other = await run.update("add", "tea", 2, command="y")
    async with node(log.carrier(2), cart) as runtime:
        run = runtime.run("c")
        again = await run.update("add", "tea", 2, command="x")
        count = await run.query("count", "tea")
        await run.update("close", command="z")
        await run.result()
        late = await run.update("add", "tea", 2, command="x")
        with pytest.raises(Refused, match="has ended"):
            await run.update("add", "tea", 2, command="new")

    assert (answers, other, again, count, late) == ([2, 2, 2], 4, 2, 4, 2)
    assert named(log, "c").count("UpdateAccepted") == 3


async def test_a_handler_that_raises_answers_with_its_error() -> None:
    @perdure.workflow
    async def flow() -> None:
        def bad() -> None:
            raise KeyError("gone")

        on_update("bad", bad)
        on_query("bad", bad)
        await sleep(DAY)

    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="f")
        for word in (run.update, run.query):
            with pytest.raises(HandlerError) as failed:
                await word("bad")
            assert (failed.value.type, failed.value.message, failed.value.run) == ("KeyError", "'gone'", "f")
        assert await run.status() == "running"


async def test_a_query_is_answered_by_a_live_a_passivated_and_an_ended_run_and_records_nothing() -> None:
    log, said = MemoryLog(), list[Any]()
    async with node(log.carrier(), cart) as runtime:
        run = await runtime.start(cart, 5, id="c")
        await run.update("add", "tea", 2)
        records = len(log.records)
        said.append(await run.query("count", "tea"))
        await runtime.dispatcher.passivate()
        said.append(await run.query("count", "tea"))
        asleep = not runtime.dispatcher.actors
        assert len(log.records) == records
        await run.update("close")
        await run.result()
        records = len(log.records)
        said.append(await run.query("count", "tea"))
        with pytest.raises(NotFound):
            await runtime.run("nobody").query("count", "tea")

    assert (said, asleep) == ([2, 2, 2], True), "it is not woken for a question"
    assert len(log.records) == records


async def test_a_rehydrated_run_performs_nothing_for_a_query() -> None:
    begun, underway = list[str](), anyio.Event()

    @perdure.step
    async def once() -> None:
        begun.append("step")
        underway.set()
        await anyio.sleep_forever()

    @perdure.workflow
    async def busy() -> None:
        on_query("begun", lambda: "asked")
        await once()

    log = MemoryLog()
    async with killed_node(log, busy) as runtime:
        await runtime.start(busy, id="b")
        await underway.wait()
    async with node(log.carrier(2), cart) as runtime:
        with pytest.raises(Refused, match="the code of the run is not here") as away:
            await runtime.run("b").query("begun")
    answer = answer_aside(stream("b"), records := log.streams[stream("b")], Registry([busy]), Query("begun", Raw(b"[]")))

    assert away.value.expected == "workflow 'busy' version 1"
    assert (bytes(answer.result), answer.version, begun) == (b'"asked"', 2, ["step"])
    assert len(log.records) == len(records)


async def test_a_suspended_run_answers_from_its_last_good_version() -> None:
    def versions(text: str, *, broken: bool) -> Workflow[..., Any]:
        @perdure.workflow(name="flow")
        async def flow() -> None:
            state = ["begun"]
            on_query("state", lambda: state)
            await perdure.signal("go")
            state.append("gone")
            await reserve("other" if broken else "this")
            state.append(text)
            await sleep(DAY)

        return flow

    log = MemoryLog()
    async with node(log.carrier(), versions("reserved", broken=False)) as runtime:
        run = await runtime.start(versions("reserved", broken=False), id="f")
        await run.signal("go")
        await until(lambda: "TimerSet" in named(log, "f"))
        good = await run.query("state")
    async with node(log.carrier(2), versions("reserved", broken=True)) as runtime:
        run = runtime.run("f")
        status = await run.status()
        told = await run.query("state")

    assert (good, status, told) == (["begun", "gone", "reserved"], "suspended", ["begun"])
    assert [type(event) for event in events_of(log, "f")].count(ev.Suspended) == 1


async def test_a_query_has_a_deadline() -> None:
    log = MemoryLog()
    async with node(log.carrier(), cart) as runtime:
        run = await runtime.start(cart, 5, id="c")
        await runtime.dispatcher.passivate()
        with pytest.raises(Unavailable, match="not answered in time"):
            await run.query("items", within=timedelta(0))


async def test_answers_are_kept_within_a_bound_and_a_repeat_after_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ANSWERS_MAX", 2)
    async with node(MemoryLog().carrier(), cart) as runtime:
        run = await runtime.start(cart, 100, id="c")
        for number in range(3):
            await run.update("add", "tea", 1, command=f"{number}")

        assert await run.update("add", "tea", 1, command="2") == 3
        with pytest.raises(Refused, match="no longer kept"):
            await run.update("add", "tea", 1, command="0")
        assert await run.query("count", "tea") == 3
