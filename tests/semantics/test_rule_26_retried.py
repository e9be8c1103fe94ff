"""Rules 26, 17, 10 and 15 where they meet: children of a parent that is retried, continued, or paused."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import child, continue_as, gather, signal, sleep, start_child, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, named, node, stream, until

pytestmark = pytest.mark.anyio

attempts: dict[str, int] = {}


@step
async def first_half(name: str) -> str:
    attempts[name] = attempts.get(name, 0) + 1
    return name


@step
async def fails_once(name: str) -> str:
    attempts["shaky"] = attempts.get("shaky", 0) + 1
    if attempts["shaky"] == 1:
        raise ConnectionError("the line is dead")
    return f"{name} done"


@workflow
async def shaky(name: str) -> str:
    return await fails_once(await first_half(name))


@workflow
async def waits() -> str:
    return await signal("go", str)


@workflow
async def both() -> list[str]:
    return list(await gather(child(shaky, "a"), child(waits, id="w")))


async def at_rest(log: MemoryLog) -> None:
    await until(lambda: all(summary.head.wake_at is None for summary in log.summaries.values()))


async def test_a_child_that_failed_is_retried_with_its_parent_and_one_that_was_cancelled_begins_anew() -> None:
    attempts.clear()
    log = MemoryLog()
    async with node(log.carrier(), both, shaky, waits) as runtime:
        run = await runtime.start(both, id="p")
        with pytest.raises(perdure.RunError):
            await run.result(within=PATIENCE)
        await at_rest(log)
        assert await runtime.run("w").status() == "cancelled"
        await run.retry()
        await until(lambda: named(log, "w").count("RunStarted") == 2)
        await runtime.run("w").signal("go", "waited")

        assert await run.result(within=PATIENCE) == ["a done", "waited"]
        await at_rest(log)
        assert (await replay(log, stream("p"), runtime.registry)).agrees
    assert attempts == {"a": 1, "shaky": 2}, "of the child only what had failed is done again"
    assert named(log, "p/0.0/0").count("RetryRequested") == 1


@workflow
async def generations(left: int) -> str:
    handle = await start_child(waits, id=f"w{left}")
    if left:
        await sleep(timedelta(0))
        await continue_as(left - 1)
    return await handle.result()


async def test_a_parent_that_begins_anew_parts_from_its_children() -> None:
    log = MemoryLog()
    async with node(log.carrier(), generations, waits) as runtime:
        run = await runtime.start(generations, 1, id="p")
        await until(lambda: stream("w0") in log.streams)
        await at_rest(log)
        assert await runtime.run("w1").status() == "cancelled"
        await runtime.run("w0").signal("go", "gone")

        assert await run.result(within=PATIENCE) == "gone"


@workflow
async def lives(left: int) -> str:
    await signal("on")
    if left:
        await continue_as(left - 1)
    return "the last"


@workflow
async def has_a_long_child() -> str:
    return await child(lives, 2, id="c")


async def test_a_parent_waits_for_the_last_generation_of_its_child() -> None:
    log = MemoryLog()
    async with node(log.carrier(), has_a_long_child, lives) as runtime:
        run = await runtime.start(has_a_long_child, id="p")
        await until(lambda: stream("c") in log.streams)
        for _ in range(3):
            await runtime.run("c").signal("on")

        assert await run.result(within=PATIENCE) == "the last"
    assert named(log, "c").count("Continued") == 2


@workflow
async def then_a_child() -> str:
    await signal("on")
    return await child(lives, 0, id="c")


async def test_a_paused_parent_starts_no_child_until_it_is_resumed() -> None:
    log = MemoryLog()
    async with node(log.carrier(), then_a_child, lives) as runtime:
        run = await runtime.start(then_a_child, id="p")
        await run.pause()
        await run.signal("on")
        await at_rest(log)
        assert stream("c") not in log.streams
        await run.resume()
        await until(lambda: stream("c") in log.streams)
        await run.pause()
        await runtime.run("c").signal("on")
        await until(lambda: "ChildEnded" in named(log, "p"))
        assert await run.status() == "paused"
        await run.resume()

        assert await run.result(within=PATIENCE) == "the last"


@workflow
async def commands_its_child() -> list[str]:
    said: list[str] = []
    handle = await start_child(waits)
    await handle.signal("go", "on")
    said.append(await handle.result())
    other = await start_child(waits)
    await other.cancel("enough")
    try:
        await other.result()
    except perdure.ChildError as error:
        said.append(error.message)
    return said


async def test_a_handle_signals_and_cancels_its_child() -> None:
    async with node(MemoryLog().carrier(), commands_its_child, waits) as runtime:
        run = await runtime.start(commands_its_child)

        assert await run.result(within=PATIENCE) == ["on", "enough"]
