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
from perdure.runtime.run.decide import messages as deciding
from perdure.runtime.run.evolve import messages as kept
from perdure.testing import Simulation
from tests.laws.node import AT_ONCE, PATIENCE, events_of, killed_node, named, node, stream, until

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


@perdure.step
async def held() -> str:
    hold[0].set()
    await anyio.sleep_forever()
    return ""


hold: list[anyio.Event] = []
outcome: list[str] = []


@perdure.step
async def quick() -> str:
    if not outcome:
        hold[0].set()
        await anyio.sleep_forever()
    return outcome[0]


@perdure.workflow
async def asked() -> str:
    async def work() -> str:
        return await quick()

    on_update("work", work)
    await sleep(DAY)
    return "over"


async def test_a_crash_between_accepted_and_completed_leads_to_the_same_answer() -> None:
    log = MemoryLog()
    hold[:], outcome[:] = [anyio.Event()], []
    async with killed_node(log, asked) as runtime:
        run = await runtime.start(asked, id="a")

        async def give_up() -> None:
            with pytest.raises(Unavailable):
                await run.update("work", command="w")

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            await hold[0].wait()
            runtime.performer.end()
    accepted = named(log, "a")
    outcome[:] = ["done"]
    async with node(log.carrier(2), asked) as runtime:
        answer = await runtime.run("a").update("work", command="w")

    assert accepted[-2:] == ["UpdateAccepted", "StepScheduled"]
    assert answer == "done"
    assert named(log, "a").count("UpdateCompleted") == 1


async def test_an_update_that_the_end_of_the_run_overtakes_is_refused() -> None:
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")

        async def overtaken() -> None:
            with pytest.raises(Refused, match="ended before it had answered"):
                await run.update("work", command="w")

        async with anyio.create_task_group() as group:
            group.start_soon(overtaken)
            await hold[0].wait()
            await run.terminate()
        with pytest.raises(Refused, match="ended before it had answered"):
            await run.update("work", command="w")


async def test_a_sender_that_waits_too_long_may_ask_again() -> None:
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")
        with pytest.raises(Unavailable, match="not answered yet") as slow:
            await run.update("work", command="w", within=timedelta(seconds=0.05))

    assert "'w'" in slow.value.instead


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
    begun: list[str] = []

    @perdure.step
    async def once() -> None:
        begun.append("step")
        hold[0].set()
        await anyio.sleep_forever()

    @perdure.workflow
    async def busy() -> None:
        on_query("begun", lambda: "asked")
        await once()

    log = MemoryLog()
    hold[:] = [anyio.Event()]
    async with killed_node(log, busy) as runtime:
        await runtime.start(busy, id="b")
        await hold[0].wait()
    async with node(log.carrier(2), cart) as runtime:
        with pytest.raises(Refused, match="the code of the run is not here") as away:
            await runtime.run("b").query("begun")
    records = [record async for record in log.read(stream("b"))]
    answer = answer_aside(stream("b"), records, Registry([busy]), Query("begun", Raw(b"[]")))

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


async def test_a_run_that_is_retried_keeps_what_it_answered() -> None:
    well: list[bool] = []

    @perdure.step
    async def flaky() -> str:
        if not well:
            raise ValueError("not yet")
        return "well"

    @perdure.workflow
    async def flow() -> int:
        count = 0

        def add(number: int) -> int:
            nonlocal count
            count += number
            return count

        on_update("add", add)
        on_query("count", lambda: count)
        await perdure.signal("go")
        await flaky()
        await perdure.signal("end")
        return count

    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="f")
        first = await run.update("add", 1, command="a")
        await run.signal("go")
        with pytest.raises(perdure.RunError):
            await run.result()
        failed = await run.query("count")
        well.append(True)
        await run.retry()
        again, second = await run.update("add", 1, command="a"), await run.update("add", 1, command="b")
        await run.signal("end")

        assert (first, failed, again, second, await run.result()) == (1, 1, 1, 2, 2)


async def test_an_update_that_is_handled_again_by_a_retry_keeps_its_first_answer() -> None:
    mended: list[bool] = []

    @perdure.workflow
    async def flow() -> str:
        def add(number: int) -> str:
            return f"{number} {'mended' if mended else 'as it was'}"

        on_update("add", add)
        await perdure.signal("go")
        if not mended:
            raise ValueError("a mistake in the code")
        return "over"

    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="f")
        first = await run.update("add", 1, command="a")
        await run.signal("go")
        with pytest.raises(perdure.RunError):
            await run.result()
        mended.append(True)
        await run.retry(from_version=1)
        assert await run.result() == "over"

        assert await run.update("add", 1, command="a") == first == "1 as it was"
    assert named(log, "f").count("UpdateCompleted") == 2


@perdure.step
async def slowly(item: str) -> str:
    await anyio.sleep(3)
    return f"{item} reserved"


@perdure.workflow
async def counted() -> int:
    taken: list[str] = []

    async def take(item: str) -> int:
        taken.append(await slowly(item))
        return len(taken)

    def count() -> int:
        return len(taken)

    on_update("take", take)
    on_update("count", count)
    await perdure.signal("end")
    return len(taken)


def test_updates_are_answered_alike_under_a_crash_after_every_write() -> None:
    updates: list[tuple[float, str, list[Any]]] = [(1.0, "take", ["tea"]), (2.0, "take", ["jam"]), (30.0, "count", [])]
    outcome = Simulation(seed=22).run(counted, crash_after_every_append=True, updates=updates, signals=[(60.0, "end", None)])

    assert (outcome.value, sorted(outcome.answers)) == (2, [1, 2, 2])
    assert outcome.crashes >= 5


@pytest.mark.parametrize("seed", range(5))
def test_updates_are_answered_under_crashes_at_any_moment(seed: int) -> None:
    updates: list[tuple[float, str, list[Any]]] = [(1.0, "take", ["tea"]), (2.0, "take", ["jam"])]
    simulation = Simulation(seed, nodes=2)
    outcome = simulation.run(counted, crash_at_random=True, updates=updates, signals=[(200.0, "end", None)], same_as_without=False)

    assert (outcome.value, sorted(outcome.answers)) == (2, [1, 2])


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


async def test_updates_that_wait_for_their_answer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "UPDATES_MAX", 1)
    hold[:], outcome[:] = [anyio.Event()], []
    async with node(MemoryLog().carrier(), asked, settings=AT_ONCE) as runtime:
        run = await runtime.start(asked, id="a")
        with pytest.raises(Unavailable, match="not answered yet"):
            await run.update("work", command="v", within=timedelta(seconds=0.05))
        with pytest.raises(Refused, match="too many updates wait"):
            await run.update("work", command="w")
