"""A mismatch is loud and harmless.

When code and log disagree, the run is suspended with one event that holds both columns; the driver appends nothing more,
facts from outside still are recorded, and a build that agrees resumes it.
"""

from __future__ import annotations

from inspect import getsourcelines

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, Flow, events_of, named, node, rest, stream, until

pytestmark = pytest.mark.anyio


@step
async def charge(euros: int) -> int:
    return euros


@step
async def weigh(grams: int) -> int:
    return grams


@workflow(name="order")
async def first_build() -> int:
    paid = await charge(10)
    return paid + await perdure.signal("tip", int)


@workflow(name="order")
async def changed_build() -> int:
    weight = await weigh(10)
    paid = await charge(10)
    return weight + paid + await perdure.signal("tip", int)


@workflow(name="order")
async def fixed_build() -> int:
    """Agrees with what was recorded, and differs only behind it."""
    paid = await charge(10)
    return paid + 2 * await perdure.signal("tip", int)


@workflow(name="other")
async def other() -> int:
    return await perdure.signal("n", int)


ASKED = ["RunStarted", "StepScheduled", "StepCompleted"]


async def begun(log: MemoryLog) -> None:
    async with node(log.carrier(1), first_build) as runtime:
        await runtime.start(first_build, id="a")
        await until(lambda: named(log, "a") == ASKED)


async def test_a_changed_code_suspends_the_run_with_both_columns() -> None:
    log = MemoryLog()
    await begun(log)
    async with node(log.carrier(2), changed_build) as runtime:
        looked = await runtime.run("a").look()

    (suspended,) = [event for event in events_of(log, "a") if isinstance(event, ev.Suspended)]
    assert looked.status == "suspended"
    assert "disagree" in looked.reason
    assert suspended.reason == "diverged"
    assert ("charge" in suspended.expected, "weigh" in suspended.found) == (True, True)
    line = getsourcelines(changed_build.function)[1] + 2
    assert suspended.where == f"after the start, module {__name__}, line {line}, in changed_build"
    assert suspended.instead


async def test_nothing_more_is_appended_but_facts_from_outside_are() -> None:
    log = MemoryLog()
    await begun(log)
    async with node(log.carrier(2), changed_build, other) as runtime:
        await runtime.run("a").signal("tip", 3)
        for _ in range(3):
            await runtime.run("a").look()
            await runtime.dispatcher.passivate()
        await rest()
        run = await runtime.start(other, id="b")
        await run.signal("n", 1)

        assert await run.result(within=PATIENCE) == 1
    assert sorted(named(log, "a")[3:]) == ["SignalReceived", "Suspended"]


async def test_reopening_with_the_same_wrong_build_adds_nothing() -> None:
    log = MemoryLog()
    await begun(log)
    for epoch in (2, 3, 4):
        async with node(log.carrier(epoch), changed_build) as runtime:
            assert await runtime.run("a").status() == "suspended"

    assert named(log, "a") == [*ASKED, "Suspended"]


@pytest.mark.parametrize("build", [first_build, fixed_build], ids=["as it was", "fixed"])
async def test_a_build_that_agrees_resumes_and_is_given_what_came_meanwhile(build: Flow) -> None:
    log = MemoryLog()
    await begun(log)
    async with node(log.carrier(2), changed_build) as runtime:
        await runtime.run("a").look()
        await runtime.run("a").signal("tip", 3)
    async with node(log.carrier(3), build) as runtime:
        await runtime.run("a").look()

        assert await runtime.run("a").result(within=PATIENCE) == (13 if build is first_build else 16)
    assert named(log, "a") == [*ASKED, "Suspended", "SignalReceived", "Resumed", "RunCompleted"]


async def test_a_workflow_that_is_not_there_suspends_too_and_is_loud_about_it() -> None:
    log = MemoryLog()
    await begun(log)
    async with node(log.carrier(2), other) as runtime:
        looked = await runtime.run("a").look()
        head = log.summaries[stream("a")].head

        assert (looked.status, head.status, head.wake_at) == ("suspended", "suspended", 0), "whoever serves it next tries its own code"
    async with node(log.carrier(3), first_build) as runtime:
        await runtime.run("a").signal("tip", 1)
        assert await runtime.run("a").result(within=PATIENCE) == 11
