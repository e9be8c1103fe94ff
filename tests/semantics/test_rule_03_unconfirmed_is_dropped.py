"""Rule 3: code that was driven past an append which did not happen is dropped, and driven again from what the log really holds."""

from __future__ import annotations

import pytest
from msgspec import Raw

import perdure
from perdure import step, workflow
from perdure.eventlog.faults import Fault, FaultyLog, Script, What
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, sealed
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import CODEC, Logged
from tests.laws.node import PATIENCE, named, node, stream, until

driven: list[str] = []


@step
async def say(word: str) -> str:
    return word


@workflow
async def talks() -> list[str]:
    driven.append("begun")
    words = [await say("a"), await say("b")]
    driven.append("went on")
    return [*words, await perdure.signal("end", str)]


def another_hand(append: Append) -> Append:
    """A line that somebody else writes right before."""
    data = CODEC.encode(CODEC.decode(append.data).at, 1, [Logged("info", "another hand", Raw(b"{}"))])
    return sealed(append.stream, append.expected, data, 1)


@pytest.mark.parametrize("what", ["conflict", "lost_reply", "refusal"])
@pytest.mark.anyio
async def test_nothing_of_a_turn_that_was_not_confirmed_is_kept(what: What) -> None:
    driven.clear()
    log = MemoryLog()
    door = FaultyLog(log, Script({2: Fault(what)}), foreign=another_hand)
    async with node(door.carrier(), talks) as runtime:
        run = await runtime.start(talks, id="r")
        await until(lambda: "went on" in driven)
        await run.signal("end", "c")

        assert await run.result(within=PATIENCE) == ["a", "b", "c"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert driven[:2] == ["begun", "begun"]
    assert named(log, "r").count("StepCompleted") == 2
