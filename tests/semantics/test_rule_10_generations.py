"""Rule 10: continue_as begins a new generation in the same stream; unread signals, attributes and accepted commands are carried."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, events_of, killed_node, named, node, stream, until

keys: list[str] = []


@pytest.fixture(autouse=True)
def _as_new() -> None:
    keys.clear()


@step
async def bill(month: int) -> int:
    keys.append(perdure.current().idempotency_key)
    return month


@workflow
async def subscription(month: int, total: int) -> int:
    perdure.attributes(month=month)
    total += await bill(month)
    if month == 3:
        return total
    await perdure.signal("next")
    return await perdure.continue_as(month + 1, total)


@workflow
async def for_ever(n: int) -> int:
    return await perdure.continue_as(n + 1)


@workflow
async def with_a_branch(n: int) -> int:
    await perdure.gather(bill(n), perdure.continue_as(n))
    return n


@workflow
async def wrong_arguments(n: int) -> int:
    await bill(n)
    return await perdure.continue_as("a word")


@workflow
async def reads_one(left: int) -> list[str]:
    word = await perdure.signal("word", str)
    if left == 1:
        return [word]
    return await perdure.continue_as(left - 1)


@workflow
async def naps(n: int) -> int:
    await perdure.sleep(timedelta(milliseconds=1))
    return n if n == 3 else await perdure.continue_as(n + 1)


@pytest.mark.anyio
async def test_a_generation_follows_the_other_in_one_stream_with_ids_and_keys_of_its_own() -> None:
    log = MemoryLog()
    async with node(log.carrier(), subscription) as runtime:
        run = await runtime.start(subscription, 1, 0, id="r")
        await run.signal("next")
        await run.signal("next")

        assert await run.result(within=PATIENCE) == 6
        assert (await replay(log, stream("r"), runtime.registry)).agrees

    assert [event.id for event in events_of(log, "r") if isinstance(event, ev.StepScheduled)] == ["0", "2:0", "3:0"]
    assert len(set(keys)) == 3
    assert named(log, "r").count("Continued") == 2


@pytest.mark.anyio
async def test_it_goes_on_after_a_crash_in_any_generation() -> None:
    log = MemoryLog()
    async with killed_node(log, subscription) as runtime:
        run = await runtime.start(subscription, 1, 0, id="r")
        await run.signal("next", command="one")
        await until(lambda: len(keys) == 2)
    async with node(log.carrier(2), subscription) as runtime:
        await runtime.alarm.sweep()
        run = runtime.run("r")
        await run.signal("next", command="one")
        await run.signal("next", command="two")

        assert await run.result(within=PATIENCE) == 6
    assert len(set(keys)) == 3


@pytest.mark.anyio
async def test_unread_signals_are_carried_in_their_order() -> None:
    log = MemoryLog()
    async with node(log.carrier(), reads_one) as runtime:
        run = await runtime.start(reads_one, 3, id="r")
        for word in ("one", "two", "three"):
            await run.signal("word", word)

        assert await run.result(within=PATIENCE) == ["three"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_attributes_are_carried() -> None:
    log = MemoryLog()
    async with node(log.carrier(), subscription) as runtime:
        run = await runtime.start(subscription, 2, 0, id="r")
        await run.signal("next")
        await run.result(within=PATIENCE)

    assert log.summaries[stream("r")].head.attributes == b'{"month":3}'


@pytest.mark.anyio
async def test_timers_begin_anew() -> None:
    async with node(MemoryLog().carrier(), naps) as runtime:
        assert await (await runtime.start(naps, 1)).result(within=PATIENCE) == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("flow", "why"), [(for_ever, "before anything"), (with_a_branch, "other branches"), (wrong_arguments, "argument|annotation")]
)
async def test_what_cannot_be_continued_fails_with_an_error_that_teaches(flow: Workflow[[int], int], why: str) -> None:
    async with node(MemoryLog().carrier(), for_ever, with_a_branch, wrong_arguments) as runtime:
        with pytest.raises(RunError, match=why):
            await (await runtime.start(flow, 1)).result(within=PATIENCE)
