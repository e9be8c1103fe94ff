"""Rule 2: what arrives is kept in the order of the log, and the code takes one after the other in that order."""

from __future__ import annotations

import pytest

import perdure
from perdure import workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import fold, replay
from perdure.runtime.run.state import Signalled
from tests.laws.node import PATIENCE, killed_node, node, stream

SENT = ["c", "a", "b", "a", "c", "b"]


@workflow
async def listens() -> list[str]:
    heard: list[str] = []

    async def hear(name: str) -> None:
        for _ in range(2):
            await perdure.signal(name)
            heard.append(name)

    await perdure.gather(hear("a"), hear("b"), hear("c"))
    return heard


@pytest.mark.anyio
async def test_the_code_takes_them_as_the_log_has_them_after_a_pause_a_crash_and_on_replay() -> None:
    log = MemoryLog()
    async with killed_node(log, listens) as runtime:
        run = await runtime.start(listens, id="r")
        await run.pause()
        for name in SENT[:4]:
            await run.signal(name)
    async with node(log.carrier(2), listens) as runtime:
        run = runtime.run("r")
        await run.resume()
        for name in SENT[4:]:
            await run.signal(name)

        assert await run.result(within=PATIENCE) == SENT
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    kept = fold(stream("r"), log.streams[stream("r")]).arrivals
    assert [arrival.name for arrival in kept if isinstance(arrival, Signalled)] == SENT
