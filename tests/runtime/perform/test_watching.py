"""Watching: events by page and as they happen, whoever writes them; and whose a run is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import Invalid, NotFound, Refused, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import EventLine, LookAtRun, SignalOrStartRun, StartRun
from tests.laws.node import node

pytestmark = pytest.mark.anyio


@step
async def say(word: str) -> str:
    return word


@workflow
async def twice(word: str) -> str:
    return await say(word) + await perdure.signal("more", str)


@workflow
async def parent() -> str:
    child = await perdure.start_child(twice, "a", id="child")
    return await child.result()


def name(line: EventLine) -> str:
    found: str = msgspec.json.decode(line.event)["type"]
    return found


async def test_who_follows_a_run_sees_each_event_once_and_its_end() -> None:
    async with node(MemoryLog().carrier(), twice) as runtime:
        run = await runtime.start(twice, "a", id="r")
        seen: list[EventLine] = []

        async def follow() -> None:
            seen.extend([line async for line in run.follow()])

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await runtime.events("r", since=2, wait=timedelta(seconds=5))
            await run.signal("more", "b")

        assert [line.version for line in seen] == list(range(1, len(seen) + 1))
        assert [name(seen[0]), name(seen[-1])] == ["RunStarted", "RunCompleted"]


@workflow
async def says_much() -> None:
    for number in range(4):
        perdure.log("said", number=number)


async def test_a_page_of_a_file_may_begin_in_the_midst_of_the_last_record(tmp_path: Path) -> None:
    """A reader of a file that finds nothing behind a version, though there must be something, stands in for it with a record of no data."""
    async with perdure.open(f"sqlite:///{tmp_path}/a.db", workflows=[says_much]) as runtime:
        run = await runtime.start(says_much, id="r")
        await run.result()
        whole = (await runtime.events("r")).events

        pages = [(await runtime.events("r", since=since, limit=1)).events for since in range(len(whole))]

    assert [[line.version for line in page] for page in pages] == [[number] for number in range(1, len(whole) + 1)]


async def test_a_page_ends_where_it_is_asked_to_in_the_midst_of_a_record_too() -> None:
    async with node(MemoryLog().carrier(), twice) as runtime:
        run = await runtime.start(twice, "a", id="r")
        await run.cancel()
        await runtime.events("r", since=3, wait=timedelta(seconds=5))
        whole = (await runtime.events("r")).events
        for since in range(len(whole)):
            page = await runtime.events("r", since=since, limit=1)
            assert [line.version for line in page.events] == [since + 1]
            assert (page.since, page.more) == (since + 1, since + 1 < len(whole))


async def test_of_a_run_that_is_not_there_and_of_no_place_nothing_is_told() -> None:
    async with node(MemoryLog().carrier(), twice) as runtime:
        with pytest.raises(NotFound):
            await runtime.events("nobody")
        for since, wait in ((-1, 0), (0, -1), (0, 61)):
            with pytest.raises(Invalid, match="cannot begin or wait so"):
                await runtime.events("nobody", since=since, wait=timedelta(seconds=wait))


async def test_a_run_and_its_children_are_whose_who_asked_for_it() -> None:
    async with node(MemoryLog().carrier(), twice, parent) as runtime:
        await runtime.do(StartRun(workflow="parent", run="p", by="ann"))
        await runtime.start(twice, "a", id="nobodys")
        await until_there(runtime, "child")

        assert [(await runtime.do(LookAtRun(run=run))).by for run in ("p", "child", "nobodys")] == ["ann", "ann", ""]
        assert {line.run for line in (await runtime.runs(where="perdure.by = 'ann'")).runs} == {"p", "child"}


async def until_there(runtime: perdure.Runtime, run: str) -> None:
    """Return once a run has been started."""
    with anyio.fail_after(5):
        while run not in {line.run for line in (await runtime.runs()).runs}:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("holder", ["ann", ""])
async def test_under_no_option_does_a_start_meet_a_run_of_somebody_else(holder: str) -> None:
    async with node(MemoryLog().carrier(), twice) as runtime:
        await runtime.do(StartRun(workflow="twice", arguments=Raw(b'["a"]'), run="r", by=holder))
        for wish in (
            StartRun(workflow="twice", arguments=Raw(b'["a"]'), run="r", by="ben"),
            StartRun(workflow="twice", arguments=Raw(b'["a"]'), run="r", by="ben", on_conflict="terminate_and_start", reuse="always"),
            SignalOrStartRun(workflow="twice", arguments=Raw(b'["a"]'), run="r", by="ben", signal="more"),
        ):
            with pytest.raises(Refused, match="somebody else"):
                await runtime.do(wish)

        assert await runtime.run("r").status() == "running"
