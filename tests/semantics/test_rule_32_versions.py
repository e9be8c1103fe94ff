"""Rule 32: several versions side by side, runs are pinned to theirs, an unknown one suspends; an upgrade follows a clean replay."""

from __future__ import annotations

import pytest

import perdure
from perdure import NotFound, Refused, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import Suspended
from tests.laws.node import PATIENCE, events_of, killed_node, named, node, stream


@step
async def say(word: str) -> str:
    return word


@workflow(name="talk")
async def talk_1() -> list[str]:
    return [await say("hello"), await perdure.signal("name", str)]


@workflow(name="talk", version=2)
async def talk_2() -> list[str]:
    return [await say("hello"), await perdure.signal("name", str), await say("bye")]


@workflow(name="talk", version=3)
async def talk_3() -> list[str]:
    return [await say("good day"), await perdure.signal("name", str)]


@pytest.mark.anyio
async def test_a_new_run_gets_the_version_it_is_started_with_and_keeps_it() -> None:
    log = MemoryLog()
    async with node(log.carrier(), talk_1, talk_2) as runtime:
        one = await runtime.start(talk_1, id="one")
        two = await runtime.start(talk_2, id="two")
        await one.signal("name", "Ada")
        await two.signal("name", "Ada")

        assert await one.result(within=PATIENCE) == ["hello", "Ada"]
        assert await two.result(within=PATIENCE) == ["hello", "Ada", "bye"]


@pytest.mark.anyio
async def test_an_unknown_version_suspends_and_names_what_is_registered_and_goes_on_once_it_is_there() -> None:
    log = MemoryLog()
    async with killed_node(log, talk_1) as runtime:
        await runtime.start(talk_1, id="r")
    async with killed_node(log, talk_2, epoch=2) as runtime:
        await runtime.run("r").signal("name", "Ada")
        look = await runtime.run("r").look()

        assert look.status == "suspended"
    assert "talk 2" in next(event.expected for event in suspensions(log))
    async with node(log.carrier(3), talk_1, talk_2) as runtime:
        assert await runtime.run("r").result(within=PATIENCE) == ["hello", "Ada"]


def suspensions(log: MemoryLog) -> list[Suspended]:
    return [event for event in events_of(log, "r") if isinstance(event, Suspended)]


@pytest.mark.anyio
async def test_an_upgrade_moves_a_run_in_flight_after_a_clean_replay() -> None:
    log = MemoryLog()
    async with node(log.carrier(), talk_1, talk_2) as runtime:
        run = await runtime.start(talk_1, id="r")
        await run.upgrade(2, command="up")
        await run.upgrade(2, command="up")
        await run.signal("name", "Ada")

        assert await run.result(within=PATIENCE) == ["hello", "Ada", "bye"]
        assert named(log, "r").count("Upgraded") == 1
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_an_upgrade_to_code_that_disagrees_is_refused_with_both_columns_and_harms_nothing() -> None:
    log = MemoryLog()
    async with node(log.carrier(), talk_1, talk_3) as runtime:
        run = await runtime.start(talk_1, id="r")
        with pytest.raises(Refused, match="disagrees") as refused:
            await run.upgrade(3)

        assert "hello" in refused.value.expected
        assert "good day" in refused.value.found

        with pytest.raises(Refused, match="not registered"):
            await run.upgrade(9)
        await run.signal("name", "Ada")

        assert await run.result(within=PATIENCE) == ["hello", "Ada"]


@pytest.mark.anyio
async def test_a_run_suspended_for_want_of_its_version_can_be_upgraded() -> None:
    log = MemoryLog()
    async with killed_node(log, talk_1) as runtime:
        await runtime.start(talk_1, id="r")
    async with node(log.carrier(2), talk_2) as runtime:
        run = runtime.run("r")
        await run.signal("name", "Ada")
        await run.upgrade(2)

        assert await run.result(within=PATIENCE) == ["hello", "Ada", "bye"]


@pytest.mark.anyio
async def test_only_a_run_that_exists_and_has_not_ended_can_be_upgraded() -> None:
    async with node(MemoryLog().carrier(), talk_1, talk_2) as runtime:
        with pytest.raises(NotFound):
            await runtime.run("nobody").upgrade(2)
        run = await runtime.start(talk_1, id="r")
        await run.terminate()
        with pytest.raises(Refused, match="ended"):
            await run.upgrade(2)
