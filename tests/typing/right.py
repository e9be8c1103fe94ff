"""Code that a user may write, and that every checker must accept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from sqlite3 import Connection
from typing import Any, assert_type

from msgspec import Struct

import perdure
from perdure import (
    ChildHandle,
    Decision,
    Event,
    First,
    Kind,
    OpenApproval,
    Ref,
    Retry,
    RunHandle,
    approval,
    attach,
    child,
    first_of,
    gather,
    signal,
    sleep,
    start_child,
    step,
    task_group,
    timeout,
    workflow,
)


@step
async def charge(order: str, cents: int) -> str:
    return f"{order}:{cents}"


@step(retry=Retry(attempts=3, first=timedelta(seconds=1)), timeout=timedelta(minutes=5), raises=[ValueError])
async def ship(order: str, *, fast: bool = False) -> int:
    return len(order) + fast


@step
def weigh(order: str) -> float:
    return float(len(order))


@step(transactional=True, timeout=timedelta(seconds=1))
def move(db: Connection, order: str, *, cents: int = 0) -> int:
    return db.execute("insert into moved values (?, ?)", (order, cents)).rowcount


@step(name="weigh again")
def weigh_again(order: str) -> float:
    return float(len(order))


@workflow
async def fulfil(order: str, cents: int, note: str = "") -> str:
    receipt = await charge(order, cents)
    assert_type(receipt, str)
    assert_type(await ship(order, fast=True), int)
    assert_type(await weigh(order), float)
    assert_type(await move(order, cents=cents), int)
    assert_type(await weigh_again(order=order), float)
    assert_type(await gather(charge(order, 1), ship(order)), tuple[str, int])
    assert_type(await gather(ship(order), signal("go", bytes), gather(weigh(order), ship(order))), tuple[int, bytes, tuple[float, int]])
    assert_type(await gather(*[charge(order, 1)]), tuple[str, ...])
    five = await gather(charge(order, 1), ship(order), weigh(order), signal("go", bytes), approval("a"))
    assert_type(five, tuple[str, int, float, bytes, Decision])
    six = await gather(charge(order, 1), ship(order), weigh(order), signal("go", bytes), approval("a"), sleep(timedelta(0)))
    assert_type(six, tuple[str, int, float, bytes, Decision, None])
    assert_type(await gather(charge(order, 1), charge(order, 2), return_exceptions=True), tuple[str | Exception, ...])
    first = await first_of(charge(order, 1), charge(order, 2))
    assert_type(first, First[str])
    async with task_group() as group:
        task = group.start(ship(order), name="ship")
    assert_type(task.result(), int)
    async with timeout(timedelta(days=1)) as scope:
        assert_type(await signal("go", int), int)
        await sleep(timedelta(hours=1))
    assert_type(scope.expired, bool)
    decision = await approval("ship", show={"order": order}, timeout=timedelta(days=3))
    assert_type(decision, Decision)
    assert_type(decision.approved, bool)
    assert_type(await gather(approval("a"), ship(order)), tuple[Decision, int])
    assert_type(await perdure.signal_run("o-2", "go", 1), None)
    assert_type(await gather(perdure.wait_until(lambda: True, timeout=timedelta(days=1)), ship(order)), tuple[None, int])
    perdure.on_signal("go", lambda value: [value])
    perdure.on_update("charge", weigh.function, validate=len)
    perdure.on_query("order", lambda: order)
    assert_type(perdure.random(), Random)
    anything: Any = await signal("whatever")
    return f"{receipt}{anything}"


@workflow
async def family(order: str) -> None:
    assert_type(await child(fulfil, order, 1200), str)
    assert_type(await child(fulfil, order, cents=1200, note="by hand"), str)
    assert_type(await child(fulfil, order, 1200, "by hand", id="c", on_parent_end="abandon"), str)
    assert_type(await gather(*[child(fulfil, order, 1) for _ in range(3)]), tuple[str, ...])
    handle = await start_child(fulfil, order, 1200, "", id="d")
    assert_type(handle, ChildHandle[str])
    assert_type(await first_of(handle.result(), child(fulfil, order, 1200)), First[str])
    assert_type(await attach("c", int), int)
    anything: Any = await attach("c")
    await handle.signal("go", anything)
    await handle.cancel()


@workflow(name="nightly", version=2)
async def nightly() -> None:
    await sleep(timedelta(days=1))


class Deposited(Event, frozen=True):
    cents: int


class Withdrawn(Event, frozen=True):
    cents: int


class Move(Struct, frozen=True):
    cents: int


class Account(Kind[int, Move, Deposited | Withdrawn]):
    name = "account"

    def initial(self, stream: str) -> int:
        return 0

    def decide(self, balance: int, move: Move, now: int) -> Sequence[Deposited | Withdrawn]:
        return [Deposited(move.cents)] if move.cents > 0 else [Withdrawn(-move.cents)]

    def evolve(self, balance: int, event: Deposited | Withdrawn, at: int) -> int:
        return balance + event.cents if isinstance(event, Deposited) else balance - event.cents

    def answer(self, balance: int, move: Move) -> int:
        return balance


async def bank() -> None:
    account = Account()
    async with perdure.open("memory:", kinds=[account]) as runtime:
        ann = runtime.actor(account, "ann")
        assert_type(ann, Ref[Move, int])
        assert_type(await ann.ask(Move(5)), int)
        await ann.tell(Move(-5))
        assert_type(await runtime.actor("account", "ben").ask(Move(5)), Any)


async def main() -> None:
    async with perdure.open("sqlite:///shop.db", workflows=[fulfil, nightly]) as runtime:
        run = await runtime.start(fulfil, "o-1", 1200, id="order-o-1")
        assert_type(run, RunHandle[str])
        await runtime.start(fulfil, "o-1", 1200, "by hand", id="order-o-2")
        await runtime.start(fulfil, "o-1", cents=1200)
        night = await runtime.start(nightly, id="tonight")
        assert_type(await night.result(), None)
        assert_type(await run.approvals(), list[OpenApproval])
        await run.approve("ship", by="Ada")
        assert_type(await run.result(within=timedelta(seconds=5)), str)
        assert_type(await run.update("charge", 1, returns=int), int)
        assert_type(await run.query("order", returns=dict[str, int], within=timedelta(seconds=1)), dict[str, int])
        assert_type(await runtime.signal_or_start(nightly, id="tonight", signal="go", value=1), RunHandle[None])
        await charge("outside a workflow it is the function itself", 1)
