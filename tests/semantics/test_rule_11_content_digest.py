"""Rule 11: the content digest says what a run did, and leaves out when, by whom and how often it was interrupted."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import Retry, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, killed_node, node, stream

failures: list[int] = []


@step(retry=Retry(attempts=5, first=timedelta(0)))
async def double(n: int) -> int:
    if failures and failures.pop():
        raise ConnectionError
    return 2 * n


@workflow
async def counts(n: int) -> int:
    total = await double(n)
    total += await perdure.signal("more", int)
    return await double(total)


async def content(log: MemoryLog, run: str) -> tuple[str, str]:
    """(content digest, state digest) of a run."""
    found = await replay(log, stream(run))
    return found.content_digest, found.state_digest


@pytest.mark.anyio
async def test_a_run_that_was_killed_and_retried_agrees_with_a_clean_one_and_another_does_not() -> None:
    log = MemoryLog()
    async with node(log.carrier(), counts) as runtime:
        for id, n in (("clean", 1), ("other", 2)):
            run = await runtime.start(counts, n, id=id)
            await run.signal("more", 3)
            await run.result(within=PATIENCE)
    failures.append(1)
    async with killed_node(log, counts, epoch=2) as runtime:
        await runtime.start(counts, 1, id="killed")
    async with node(log.carrier(3), counts, owner="another node") as runtime:
        run = runtime.run("killed")
        await run.pause()
        await run.resume()
        await run.signal("more", 3)
        await run.result(within=PATIENCE)
    clean, other, killed = [await content(log, run) for run in ("clean", "other", "killed")]

    assert killed[0] == clean[0]
    assert killed[1] != clean[1]
    assert other[0] != clean[0]
