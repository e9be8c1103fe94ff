"""Rule 25: a start with a taken id: the same input returns that run; what else may happen is said by on_conflict and reuse."""

from __future__ import annotations

import pytest

import perdure
from perdure import Refused, RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, killed_node, named, node, stream

keys: list[str] = []


@pytest.fixture(autouse=True)
def _as_new() -> None:
    keys.clear()


@step
async def say(word: str) -> str:
    keys.append(perdure.current().idempotency_key)
    return word


@workflow
async def speaks(word: str) -> str:
    return await say(word)


@workflow
async def waits(word: str) -> str:
    try:
        return word + await perdure.signal("go", str)
    finally:
        perdure.log("leaving")


@workflow
async def fails(word: str) -> str:
    raise ValueError(word)


@pytest.mark.anyio
async def test_the_same_input_returns_that_run_finished_or_not() -> None:
    log = MemoryLog()
    async with node(log.carrier(), speaks, waits) as runtime:
        await (await runtime.start(speaks, "a", id="done")).result(within=PATIENCE)
        await runtime.start(waits, "a", id="live")
        again = await runtime.start(speaks, "a", id="done")
        await runtime.start(waits, "a", id="live")

        assert await again.result(within=PATIENCE) == "a"
        assert named(log, "done").count("RunStarted") == named(log, "live").count("RunStarted") == 1


@pytest.mark.anyio
async def test_another_input_is_refused() -> None:
    async with node(MemoryLog().carrier(), speaks) as runtime:
        await runtime.start(speaks, "a", id="r")

        with pytest.raises(Refused, match="another run"):
            await runtime.start(speaks, "b", id="r")


@pytest.mark.anyio
async def test_on_conflict_refuse_refuses_even_the_same_input_but_not_the_same_command() -> None:
    async with node(MemoryLog().carrier(), waits) as runtime:
        await runtime.start(waits, "a", id="r", command="first")
        await runtime.start(waits, "a", id="r", command="first", on_conflict="refuse")

        with pytest.raises(Refused, match="not ended"):
            await runtime.start(waits, "a", id="r", on_conflict="refuse")


@pytest.mark.anyio
async def test_terminate_and_start_takes_its_place_and_who_waited_is_told() -> None:
    log = MemoryLog()
    async with node(log.carrier(), waits) as runtime:
        old = await runtime.start(waits, "a", id="r")
        end = runtime.performer.await_end(stream("r"))
        new = await runtime.start(waits, "b", id="r", on_conflict="terminate_and_start")

        assert (await end.wait()).status == "terminated"

        await new.signal("go", "!")

        assert await new.result(within=PATIENCE) == "b!"
        assert old.id == new.id
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_after_a_failure_the_id_may_be_used_again_if_one_says_so() -> None:
    log = MemoryLog()
    async with node(log.carrier(), fails, speaks) as runtime:
        with pytest.raises(RunError):
            await (await runtime.start(fails, "a", id="r")).result(within=PATIENCE)
        with pytest.raises(Refused):
            await runtime.start(speaks, "b", id="r")
        run = await runtime.start(speaks, "b", id="r", reuse="after_failure")

        assert await run.result(within=PATIENCE) == "b"

        same = await runtime.start(speaks, "b", id="r", reuse="after_failure")
        await same.result(within=PATIENCE)

        assert named(log, "r").count("RunStarted") == 2


@pytest.mark.anyio
async def test_a_new_incarnation_has_its_own_effects_and_keys() -> None:
    log = MemoryLog()
    async with killed_node(log, speaks) as runtime:
        await (await runtime.start(speaks, "a", id="r")).result(within=PATIENCE)
        await (await runtime.start(speaks, "a", id="r", reuse="always", command="2")).result(within=PATIENCE)
    async with node(log.carrier(2), speaks) as runtime:
        again = await runtime.start(speaks, "a", id="r", reuse="always", command="2")

        assert await again.result(within=PATIENCE) == "a"
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert len(set(keys)) == 2
    assert named(log, "r").count("RunStarted") == 2


@workflow
async def counts(n: int) -> int:
    await perdure.signal("next")
    return n if n == 2 else await perdure.continue_as(n + 1)


@pytest.mark.anyio
async def test_the_input_of_the_start_counts_not_that_of_a_later_generation() -> None:
    log = MemoryLog()
    async with node(log.carrier(), counts) as runtime:
        run = await runtime.start(counts, 1, id="r")
        await run.signal("next")
        await runtime.start(counts, 1, id="r")
        await run.signal("next")

        assert await run.result(within=PATIENCE) == 2
        with pytest.raises(Refused):
            await runtime.start(counts, 2, id="r")
