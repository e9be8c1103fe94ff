"""Rule 15: children are paused with their parent if that is asked, and resumed likewise; each is told until it has recorded it."""

from __future__ import annotations

import pytest
from msgspec import Raw

import perdure
from perdure import attach, child, gather, signal, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import PauseRun, ResumeRun
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import decide
from perdure.runtime.run.errands import errands_of
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from tests.laws.node import PATIENCE, killed_node, named, node, stream, until

CHILD, PARENT, PLACE = "run/default/c", "run/default/p", "run/default/p#0"


@workflow
async def leaf() -> str:
    return await signal("go", str)


@workflow
async def middle() -> str:
    return await child(leaf, id="leaf")


@workflow
async def top() -> list[str]:
    return [*await gather(child(middle, id="middle"), child(leaf, id="other"), attach("stranger", str))]


RUNS = ("top", "middle", "leaf", "other", "stranger")


async def statuses(runtime: Runtime) -> dict[str, str]:
    return {id: await runtime.run(id).status() for id in RUNS}


async def family(runtime: Runtime, log: MemoryLog) -> perdure.RunHandle[list[str]]:
    await runtime.start(leaf, id="stranger")
    run = await runtime.start(top, id="top")
    await until(lambda: named(log, "top").count("ChildStarted") == 2 and "ChildStarted" in named(log, "middle"))
    return run


@pytest.mark.anyio
async def test_children_stand_still_and_go_on_with_their_parent_if_that_is_asked() -> None:
    log = MemoryLog()
    async with node(log.carrier(), top, middle, leaf) as runtime:
        run = await family(runtime, log)
        await run.pause("stocktaking")
        assert (await statuses(runtime)) == {**dict.fromkeys(RUNS, "running"), "top": "paused"}

        await run.pause("stocktaking", children=True)
        await until(lambda: log.summaries[stream("leaf")].head.status == "paused")
        await until(lambda: named(log, "top").count("ChildHeard") == 2)
        assert await statuses(runtime) == {**dict.fromkeys(RUNS, "paused"), "stranger": "running"}
        assert (await runtime.run("leaf").look()).reason == "stocktaking"

        for id in ("leaf", "other", "stranger"):
            await runtime.run(id).signal("go", id)
        await run.resume(children=True)
        assert await run.result(within=PATIENCE) == ["leaf", "other", "stranger"]


@pytest.mark.anyio
async def test_resume_without_children_leaves_them_paused() -> None:
    log = MemoryLog()
    async with node(log.carrier(), top, middle, leaf) as runtime:
        run = await family(runtime, log)
        await run.pause(children=True)
        await until(lambda: log.summaries[stream("leaf")].head.status == "paused")
        await run.resume()

        assert await statuses(runtime) == {"top": "running", "middle": "paused", "leaf": "paused", "other": "paused", "stranger": "running"}
        await run.resume(children=True)
        await until(lambda: log.summaries[stream("leaf")].head.status == "running")
        assert set((await statuses(runtime)).values()) == {"running"}


@pytest.mark.anyio
async def test_a_word_to_the_children_outlives_the_node_that_was_to_bring_it() -> None:
    log = MemoryLog()
    async with killed_node(log, top, middle, leaf) as runtime:
        run = await family(runtime, log)
        runtime.courier.send = lambda errand: None  # type: ignore[method-assign]
        await run.pause(children=True)
    assert (log.summaries[stream("top")].head.wake_at, log.summaries[stream("middle")].head.status) == (0, "running")
    async with node(log.carrier(2), top, middle, leaf) as runtime:
        await until(lambda: log.summaries[stream("leaf")].head.status == "paused")

        assert await statuses(runtime) == {**dict.fromkeys(RUNS, "paused"), "stranger": "running"}


# -- what a child makes of its parent's words --------------------------------------------------------------------------


def child_of(parent: str) -> RunState:
    return evolve(RunState(), ev.RunStarted("leaf", 1, Raw(b"[]"), 7, parent=parent), 1)


def followed(facts: RunState, how: str, word: int, by: str = PLACE) -> list[str]:
    events = decide(facts, cmd.Follow(by, how, word), 2)
    for event in events:
        evolve(facts, event, 2)
    return [type(event).__name__ for event in events]


def test_of_two_words_of_a_parent_the_later_one_counts_in_whatever_order_they_come() -> None:
    facts = child_of(PLACE)

    assert followed(facts, "resume", 9) == ["ChildrenTold"]
    assert followed(facts, "pause", 5) == []
    assert facts.phase == "running"
    assert followed(facts, "pause", 12) == ["Paused", "ChildrenTold"]
    assert followed(facts, "pause", 12) == []
    assert followed(facts, "resume", 14) == ["ChildrenTold", "Resumed"]
    assert followed(facts, "pause", 12) == []


def test_only_a_parent_that_still_waits_is_followed() -> None:
    facts = child_of(PLACE)

    assert followed(facts, "pause", 5, by="run/default/q#0") == []
    evolve(facts, ev.Unwatched(PLACE), 2)
    assert followed(facts, "pause", 6) == []


def test_a_child_whose_start_is_confirmed_later_is_told_then_and_one_that_ended_is_not() -> None:
    facts = evolve(RunState(), ev.RunStarted("top", 1, Raw(b"[]"), 7), 1)
    for id in ("a", "b"):
        evolve(facts, ev.ChildScheduled(id, f"p.{id}", "leaf", 1, Raw(b"[]")), 1)
    evolve(facts, ev.ChildStarted("a"), 1)
    for event in decide(facts, cmd.Pause("later", children=True), 2):
        evolve(facts, event, 2)
    told = [errand.to for errand in errands_of(PARENT, facts)]
    evolve(facts, ev.ChildStarted("b"), 3)
    evolve(facts, ev.ChildEnded("a", "completed", Raw(b"1")), 3)

    assert told == ["run/default/p_2ea"]
    assert [errand.command for errand in errands_of(PARENT, facts)] == [cmd.Follow(f"{PARENT}#b", "pause", 6, "later")]


@pytest.mark.anyio
async def test_the_request_carries_it_too() -> None:
    log = MemoryLog()
    async with node(log.carrier(), top, middle, leaf) as runtime:
        await family(runtime, log)
        await runtime.do(PauseRun(run="top", children=True, command="p/1"))
        await until(lambda: log.summaries[stream("leaf")].head.status == "paused")
        await runtime.do(ResumeRun(run="top", children=True, command="p/2"))
        await until(lambda: log.summaries[stream("leaf")].head.status == "running")
        await runtime.do(PauseRun(run="top", children=True, command="p/1"))

        assert set((await statuses(runtime)).values()) == {"running"}
