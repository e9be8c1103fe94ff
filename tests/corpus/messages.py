"""Workflows that others talk to, and that talk to others: handlers, updates, queries, signals to and from other runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import NotFound, gather, wait_until, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

HOUR = timedelta(hours=1)


@workflow
async def tally(enough: int) -> list[int]:
    """A handler changes what the code waits for."""
    counted: list[int] = []

    def count(by: int) -> None:
        counted.append(by)

    perdure.on_signal("count", count)
    await wait_until(lambda: sum(counted) >= enough)
    return [*counted, await steps.add(sum(counted), 0)]


@workflow
async def orders() -> list[str]:
    """Handlers that await steps of their own, several at once; the run waits for all of them."""
    done: list[str] = []
    closed = False

    async def order(what: str) -> None:
        first = await steps.say(what)
        done.append(await steps.say(f"{first} sent"))

    def close() -> None:
        nonlocal closed
        closed = True

    perdure.on_signal("order", order)
    perdure.on_signal("close", close)
    await wait_until(lambda: closed)
    await wait_until(lambda: not perdure.handling())
    return sorted(done)


@workflow
async def account() -> list[int]:
    """Updates that are validated, answered after a step, turned away, and that fail; queries in between."""
    booked = [0]

    async def deposit(amount: int) -> int:
        booked.append(await steps.add(booked[-1], amount))
        if amount == 13:
            raise ValueError("an unlucky number")
        return booked[-1]

    def must_be_positive(amount: int) -> None:
        if amount <= 0:
            raise ValueError("nothing to deposit")

    perdure.on_update("deposit", deposit, validate=must_be_positive)
    perdure.on_query("balance", lambda: booked[-1])
    await perdure.signal("close")
    await wait_until(lambda: not perdure.handling())
    return booked


@workflow
async def patience() -> list[str]:
    """Waits with a limit: one that is missed, one that is met, one that held from the beginning."""
    heard: list[str] = []
    told: list[str] = []
    perdure.on_signal("word", heard.append)
    for limit in (timedelta(minutes=1), timedelta(days=1), timedelta(seconds=1)):
        try:
            await wait_until(lambda: bool(heard), limit)
            told.append(f"heard {heard[-1]}")
        except TimeoutError:
            told.append(await steps.say("nothing"))
    return told


@workflow
async def one_at_a_time() -> list[str]:
    """Branches that let only one of them in at once."""
    busy = False
    told: list[str] = []

    async def visit(name: str) -> None:
        nonlocal busy
        await steps.say(f"{name} comes")
        await wait_until(lambda: not busy)
        busy = True
        told.append(f"{name} in")
        await steps.say(name)
        told.append(f"{name} out")
        busy = False

    await gather(*(visit(name) for name in "abc"))
    assert [line.split()[1] for line in told] == ["in", "out"] * 3
    return sorted(told)


@workflow
async def listener() -> list[str]:
    """Hears what another run tells it, and cleans up when that ends it."""
    told: list[str] = []
    try:
        while True:
            told.append(await perdure.signal("word", str))
            await steps.say(told[-1])
    finally:
        await steps.undo(f"{len(told)} words")


@workflow
async def tells_others() -> list[str]:
    """Signals one run, which lives, ends it, and signals one that does not exist."""
    other = f"{perdure.info()['run']}-listener"
    await perdure.signal("go")
    for word in ("one", "two"):
        await perdure.signal_run(other, "word", await steps.say(word))
    await perdure.cancel_run(other, "enough")
    try:
        await perdure.signal_run(f"{other}-that-is-not-there", "word", "three")
    except NotFound:
        return [await steps.say("nobody")]
    return []


@workflow
async def rung() -> list[Any]:
    """Begun by the signal that found it missing; another one finds it there."""
    return [await perdure.signal("bell", int), await steps.say("coming"), await perdure.signal("bell", int)]


@workflow
async def doorkeeper() -> list[Any]:
    """Another run is begun by the signal that finds it missing, and then attached to."""
    await perdure.signal("go")
    return [await perdure.attach(f"{perdure.info()['run']}-rung"), await steps.say("all in")]


WORKFLOWS: list[Workflow[..., Any]] = [tally, orders, account, patience, one_at_a_time, listener, tells_others, rung, doorkeeper]
