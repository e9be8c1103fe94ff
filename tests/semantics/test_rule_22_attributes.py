"""Rule 22: attributes give a run's status at a glance and let it be found, without any run being rehydrated."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import perdure
from perdure import Condition, Invalid, approval, workflow
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.log import Carrier
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from tests.laws.node import node, rest

pytestmark = pytest.mark.anyio


@workflow
async def order(customer: str, cents: int) -> None:
    perdure.attributes(customer=customer, cents=cents, paid=False)
    await perdure.signal("paid")
    perdure.attributes(paid=True, customer=None)
    await perdure.signal("end")


@workflow
async def asks(cents: int) -> str:
    perdure.attributes(cents=cents)
    return (await approval("ship", show=cents)).outcome


@pytest.fixture(params=["memory", "sqlite"])
async def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Carrier]:
    if request.param == "memory":
        yield MemoryLog().carrier()
        return
    async with open_sqlite(tmp_path / "log.db") as opened:
        yield opened


@asynccontextmanager
async def orders(carrier: Carrier) -> AsyncGenerator[Runtime]:
    async with node(carrier, order, asks) as runtime:
        for number in range(6):
            await runtime.start(order, f"c-{number % 2}", number * 100, id=f"o-{number}")
        yield runtime


async def test_rule_22_runs_are_found_by_their_attributes(carrier: Carrier) -> None:
    async with orders(carrier) as runtime:
        written = await runtime.runs(where="customer = 'c-1' and cents > 100")
        equal = await runtime.runs(where={"customer": "c-1", "cents": 300})
        given = await runtime.runs(where=[Condition("cents", "<=", 200)], workflow="order", status="running")
        nothing = await runtime.runs(where={"customer": "c-1"}, workflow="asks")

    assert [line.run for line in written.runs] == ["o-3", "o-5"]
    assert [(line.run, line.workflow, line.status, line.attributes) for line in equal.runs] == [
        ("o-3", "order", "running", {"customer": "c-1", "cents": 300, "paid": False})
    ]
    assert [line.run for line in given.runs] == ["o-0", "o-1", "o-2"]
    assert nothing.runs == []


async def test_rule_22_a_search_follows_what_the_code_sets_and_takes_away(carrier: Carrier) -> None:
    async with orders(carrier) as runtime:
        await runtime.run("o-1").signal("paid")
        paid, customers = await runtime.runs(where={"paid": True}), await runtime.runs(where={"customer": "c-1"})

    assert [line.run for line in paid.runs] == ["o-1"]
    assert [line.run for line in customers.runs] == ["o-3", "o-5"]


async def test_rule_22_a_search_goes_on_page_by_page(carrier: Carrier) -> None:
    async with orders(carrier) as runtime:
        first = await runtime.runs(where="cents >= 100", limit=3)
        second = await runtime.runs(where="cents >= 100", limit=3, after=first.after)
        with pytest.raises(Invalid):
            await runtime.runs(limit=0)

    assert [line.run for line in (*first.runs, *second.runs)] == [f"o-{number}" for number in range(1, 6)]
    assert (first.after, second.after) == ("o-3", None)


async def test_rule_22_a_search_wakes_no_run(carrier: Carrier) -> None:
    async with orders(carrier) as runtime:
        await rest()
        await runtime.dispatcher.passivate()
        found = await runtime.runs(where={"customer": "c-1"})
        awake = [line.run for line in found.runs if runtime.dispatcher.is_awake(f"run/default/{line.run}")]

    assert (len(found.runs), awake) == (3, [])


async def test_rule_22_runs_that_ask_people_are_found_and_asked_themselves(carrier: Carrier) -> None:
    async with orders(carrier) as runtime:
        for number in range(5):
            await runtime.start(asks, number, id=f"a-{number}")
        await runtime.run("a-1").approvals()
        first = await runtime.approvals(limit=2)
        second = await runtime.approvals(limit=10, after=first.after)
        for asked in (*first.approvals, *second.approvals):
            await runtime.run(asked.run).approve(asked, by="Ada")
        left = await runtime.approvals()

    assert [(asked.run, asked.show) for asked in first.approvals] == [("a-0", 0), ("a-1", 1)]
    assert [asked.run for asked in second.approvals] == ["a-2", "a-3", "a-4"]
    assert (left.approvals, left.after, left.unread) == ([], None, {})


async def test_rule_22_a_run_that_cannot_be_asked_hides_no_other() -> None:
    log = MemoryLog()
    async with node(log.carrier(), asks) as runtime:
        for number in range(3):
            await runtime.start(asks, number, id=f"a-{number}")
        await runtime.dispatcher.passivate()
        damaged = log.streams["run/default/a-1"]
        damaged[0] = msgspec.structs.replace(damaged[0], data=b"{}")
        page = await runtime.approvals()

    assert [asked.run for asked in page.approvals] == ["a-0", "a-2"]
    assert page.unread == {"a-1": "the chain of a stream does not hold"}


async def test_rule_22_a_name_that_could_not_be_searched_for_is_refused() -> None:
    @workflow
    async def odd() -> str:
        try:
            perdure.attributes(**{"perdure.asks": 1})
        except Invalid as error:
            return error.where
        return ""

    async with node(MemoryLog().carrier(), odd) as runtime:
        assert await (await runtime.start(odd)).result() == "'perdure.asks'"
