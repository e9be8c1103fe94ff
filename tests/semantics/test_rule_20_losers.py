"""Rule 20: who loses a race is cancelled: its code sees Cancelled, its effects are no longer wanted, its running steps end."""

from __future__ import annotations

import pytest

import perdure
from perdure import Cancelled, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import EffectsAbandoned
from tests.laws.node import PATIENCE, Bench, events_of, node, stream, until

bench = Bench()


@step
async def slow(what: str) -> str:
    return await bench.held(what)


@workflow
async def races() -> list[str]:
    seen: list[str] = []

    async def loses() -> None:
        try:
            await slow("behind")
        except Cancelled:
            seen.append("cancelled")
            raise

    won = await perdure.first_of(perdure.signal("enough", str), loses(), slow("bare"))
    return [str(won.value), *seen, await perdure.signal("end", str)]


@pytest.mark.anyio
async def test_losers_are_cancelled_in_code_in_the_log_and_in_the_world() -> None:
    global bench  # noqa: PLW0603 - the step looks it up when it runs
    bench = Bench()
    log = MemoryLog()
    async with node(log.carrier(), races) as runtime:
        run = await runtime.start(races, id="r")
        await until(lambda: len(bench.begun) == 2)
        await run.signal("enough", "won")
        await until(lambda: len(bench.cancelled) == 2)
        await run.signal("end", "end")

        assert await run.result(within=PATIENCE) == ["won", "cancelled", "end"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    gone = [id for event in events_of(log, "r") if isinstance(event, EffectsAbandoned) for id in event.ids]
    assert sorted(gone) == ["0.1/0", "0.2/0"]
