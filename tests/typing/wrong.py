"""Code that every checker must refuse: each line that ends in `# wrong` is an error, and no other line is."""

# ruff: noqa: F841 - a wrong type needs a name to be given to
from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from sqlite3 import Connection

import perdure
from perdure import (
    Event,
    Kind,
    Limit,
    Retry,
    approval,
    attach,
    child,
    current,
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


@step(timeout=timedelta(minutes=5))
def weigh(order: str) -> float:
    return float(len(order))


@step(transactional=True, timeout=timedelta(seconds=1))
def move(db: Connection, order: str) -> int:
    return len(order)


@step(transactional=True)  # wrong
def moved(order: str) -> int:
    return len(order)


@workflow
async def mover(db: Connection, order: str) -> str:
    await move(db, order)  # wrong
    await move(7)  # wrong
    return await move(order)  # wrong


@step(retry=3)  # wrong
async def again() -> None: ...


Limit("stripe", concurrency="5")  # wrong
Limit("stripe", rate=100)  # wrong
Limit("stripe", concurrency=1, key="order")  # wrong


@step(limit="stripe")  # wrong
async def limited() -> None: ...


@step(needs=Connection)  # wrong
async def needing() -> None:
    name: int = current().resource(str)  # wrong


@workflow  # wrong
def plain(order: str) -> str:
    return order


@workflow
async def fulfil(order: str, cents: int) -> str:
    await charge(order)  # wrong
    await charge(order, "12")  # wrong
    await charge(order, cents, fast=True)  # wrong
    await weigh(1)  # wrong
    size: int = await charge(order, cents)  # wrong
    both: tuple[str, str] = await gather(charge(order, 1), weigh(order))  # wrong
    first: int = (await first_of(charge(order, 1))).value  # wrong
    five: tuple[str, str, str, str, str] = await gather(  # wrong
        charge(order, 1), charge(order, 2), charge(order, 3), charge(order, 4), weigh(order)
    )
    number: str = await signal("go", int)  # wrong
    await approval(7)  # wrong
    await approval("ship", timeout=5)  # wrong
    approved: bool = await approval("ship", show={"cents": cents})  # wrong
    await sleep(5)  # wrong
    await perdure.wait_until("closed")  # wrong
    perdure.on_query("order", order)  # wrong
    perdure.on_signal("go", later)  # wrong
    await perdure.signal_run("o-2", 1)  # wrong
    async with timeout(5):  # wrong
        pass
    async with task_group() as group:
        group.start(charge)  # wrong
    return cents  # wrong


class Counted(Event, frozen=True):
    by: int


class Counter(Kind[int, str, Counted]):
    name = "counter"

    def initial(self, stream: str) -> str:  # wrong
        return ""

    def decide(self, state: int, command: str, now: int) -> Sequence[Counted]:
        return [Counted("1")]  # wrong

    def answer(self, state: int, command: str) -> int:
        return state


async def count() -> None:
    counter = Counter()
    async with perdure.open("memory:", kinds=[counter]) as runtime:
        await runtime.actor(counter, "one").ask(1)  # wrong
        answer: str = await runtime.actor(counter, "one").ask("up")  # wrong
        runtime.actor(Counter, "one")  # wrong


def later(first: int, second: int) -> None: ...


@workflow
async def family(order: str) -> None:
    await child(fulfil, order, "1200")  # wrong
    await child(fulfil, order)  # wrong
    await child(fulfil, order, 1200, id=7)  # wrong
    await child(fulfil, order, 1200, on_parent_end="forget")  # wrong
    size: int = await child(fulfil, order, 1200)  # wrong
    size = (await start_child(fulfil, order, 1200)).id  # wrong
    size = await attach("c", str)  # wrong


async def main() -> None:
    async with perdure.open("memory:", workflows=[charge]) as runtime:  # wrong
        await runtime.start(fulfil, "o-1", "1200", id="x")  # wrong
        await runtime.start(fulfil, "o-1", "1200")  # wrong
        await runtime.start(fulfil, "o-1", id="x")  # wrong
        await runtime.start(fulfil, "o-1")  # wrong
        await runtime.start(fulfil, "o-1", cents="1200")  # wrong
        run = await runtime.start(fulfil, "o-1", 1200)
        result: int = await run.result()  # wrong
        await run.result(within=5)  # wrong
        order: int = await run.query("order", returns=str)  # wrong
        await run.update("charge", within=5)  # wrong
        added: int = await run.update("add", 1, returns=str)  # wrong
        await run.update(7, "add")  # wrong
        await run.skip("charge", "receipt", by=7, why="paid")  # wrong
        await runtime.signal_or_start(fulfil, "o-1", "1200", id="x", signal="go")  # wrong
        await runtime.signal_or_start(fulfil, "o-1", 1200, signal="go")  # wrong
        Retry(attempts="3")  # wrong
