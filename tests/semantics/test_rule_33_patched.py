"""Rule 33: patched(name) is decided at its first call in a run, recorded, and the same ever after; it takes no ordinal."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, killed_node, named, node, stream

seen: list[bool] = []


@pytest.fixture(autouse=True)
def _as_new() -> None:
    seen.clear()


@step
async def say(word: str) -> str:
    return word


@workflow(name="greet")
async def before() -> list[str]:
    words = [await say("hello")]
    for _ in range(2):
        await perdure.signal("next")
        words.append(await say("you"))
    return words


@workflow(name="greet")
async def after() -> list[str]:
    words = [await say("good day" if perdure.patched("polite") else "hello")]
    for _ in range(2):
        await perdure.signal("next")
        seen.append(perdure.patched("polite"))
        words.append(await say("sir" if perdure.patched("polite") else "you"))
    return words


@workflow(name="greet")
async def later() -> list[str]:
    """The new way is asked for only behind what the old code has recorded."""
    words = [await say("hello")]
    for _ in range(2):
        await perdure.signal("next")
        words.append(await say("sir" if perdure.patched("sir") else "you"))
    return words


@workflow(name="greet")
async def in_branches() -> list[str]:
    async def one(word: str) -> str:
        return await say(word + "!" if perdure.patched("loud") else word)

    return list(await perdure.gather(one("a"), one("b")))


async def signalled(runtime: perdure.Runtime, number: int) -> None:
    await runtime.run("r").signal("next", command=str(number))


@pytest.mark.anyio
async def test_a_new_run_takes_the_new_way_and_keeps_it_over_a_crash() -> None:
    log = MemoryLog()
    async with killed_node(log, after) as runtime:
        await runtime.start(after, id="r")
        await signalled(runtime, 1)
    async with node(log.carrier(2), after) as runtime:
        await signalled(runtime, 2)

        assert await runtime.run("r").result(within=PATIENCE) == ["good day", "sir", "sir"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert named(log, "r").count("Patched") == 1


@pytest.mark.anyio
async def test_a_run_of_the_old_code_keeps_the_old_way_to_its_end() -> None:
    log = MemoryLog()
    async with killed_node(log, before) as runtime:
        await runtime.start(before, id="r")
        await signalled(runtime, 1)
    async with node(log.carrier(2), after) as runtime:
        await signalled(runtime, 2)

        assert await runtime.run("r").result(within=PATIENCE) == ["hello", "you", "you"]
    assert "Patched" not in named(log, "r")
    assert set(seen) == {False}


@pytest.mark.anyio
async def test_asked_first_where_nothing_is_recorded_yet_an_old_run_takes_the_new_way() -> None:
    log = MemoryLog()
    async with killed_node(log, before) as runtime:
        await runtime.start(before, id="r")
    async with killed_node(log, later, epoch=2) as runtime:
        await signalled(runtime, 1)
    async with node(log.carrier(3), later) as runtime:
        await signalled(runtime, 2)

        assert await runtime.run("r").result(within=PATIENCE) == ["hello", "sir", "sir"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_it_takes_no_ordinal_and_works_in_branches() -> None:
    log = MemoryLog()
    async with node(log.carrier(), in_branches) as runtime:
        run = await runtime.start(in_branches, id="r")

        assert await run.result(within=PATIENCE) == ["a!", "b!"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert named(log, "r").count("Patched") == 1
