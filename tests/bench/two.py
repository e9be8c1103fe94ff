"""One worker, and two that share the work, in turns on one server: what a step costs in processor time, and steps a second.

`python -m tests.bench.two 2000 3`: so many runs of ten steps, so many turns. The runs wait for one moment, and begin their steps together:
nobody has to ask for anything meanwhile, so server and workers have the processors to themselves.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import anyio

from perdure.adapters.nats.wire import api
from tests.adapters.nats.crew import Crew, Hand, crew
from tests.adapters.nats.server import running
from tests.bench.measuring import cpu_of
from tests.bench.parked import Start, park

STEPS = 10
RECORDS = 2 + STEPS
"""That a run appends: its start, the moment that it waited for, and one a step."""
WARM_AFTER, AFTER = 3.0, 12.0
SETTLED = 0.5
LOOKS_EVERY = 0.02
LOOKED_AT = 20
PATIENCE = 120.0

FLOWS = """
from datetime import datetime

import anyio.lowlevel

from perdure import sleep_until, step, workflow


@step
async def work(run: int, place: int) -> dict[str, object]:
    await anyio.lowlevel.checkpoint()
    return {"run": run, "step": place, "value": 7 * place, "padding": "." * 50}


@workflow
async def sequence(run: int, steps: int, due: datetime) -> int:
    await sleep_until(due)
    total = 0
    for place in range(steps):
        total += int(str((await work(run, place))["value"]))
    return total
"""


async def compared(runs: int, turns: int) -> dict[str, float]:
    """Of two workers, the share of one worker's figures; of both, the figures themselves."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    costs: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as room, running(Path(room)) as server:
        for _ in range(turns):
            for hands in (1, 2):
                rate, cost = await measured(server.url, hands, runs)
                rates[hands].append(rate)
                costs[hands].append(cost)
    shares = [[two / one for one, two in zip(found[1], found[2], strict=True)] for found in (costs, rates)]
    named = {f"{what}_of_{hands}": median(found[hands]) for what, found in (("steps_per_s", rates), ("cpu_us", costs)) for hands in (1, 2)}
    return {"cpu_of_two_by_one": median(shares[0]), "steps_of_two_by_one": median(shares[1]), **named}


async def measured(url: str, hands: int, runs: int) -> tuple[float, float]:
    """Steps a second of so many workers, and microseconds of their processor time a step."""
    with tempfile.TemporaryDirectory() as folder:
        async with crew(url, uuid4().hex, Path(folder), flows=FLOWS) as team:
            crowd = [await team.hire() for _ in range(hands)]
            await team.shared(*crowd)
            await together(team, crowd, "warm", runs // 10, WARM_AFTER)
            return await together(team, crowd, "run", runs, AFTER)


async def together(team: Crew, crowd: Sequence[Hand], name: str, runs: int, after: float) -> tuple[float, float]:
    """Have so many runs take their steps at one moment, so many seconds from now; returns once all have ended."""
    before, ids = await records(team), [f"{name}-{number}" for number in range(runs)]
    due = datetime.now(UTC) + timedelta(seconds=after)
    await park(team, [Start("sequence", id, [number, STEPS, due.isoformat()]) for number, id in enumerate(ids)])
    assert await records(team) == before + runs
    await anyio.sleep((due - datetime.now(UTC)).total_seconds() - SETTLED)
    assert datetime.now(UTC) < due, "to start them took too long"
    cpu = sum(cpu_of(hand.process.pid) for hand in crowd)
    with anyio.fail_after(PATIENCE):
        while await records(team) < before + runs * RECORDS:  # noqa: ASYNC110 - what is waited for is in other processes
            await anyio.sleep(LOOKS_EVERY)
    seconds = (datetime.now(UTC) - due).total_seconds()
    cpu = sum(cpu_of(hand.process.pid) for hand in crowd) - cpu
    looked_at = ids[:: max(1, runs // LOOKED_AT)]
    assert await team.results(looked_at) == [7 * sum(range(STEPS))] * len(looked_at)
    return runs * STEPS / seconds, cpu * 1e6 / (runs * STEPS)


async def records(team: Crew) -> int:
    """How many records the log has."""
    return api.stream_info(await team.store.call(f"STREAM.INFO.{team.store.subjects.bucket}", {})).state.messages


def main(arguments: Sequence[str]) -> None:
    runs, turns = (int(text) for text in (arguments or ("2000", "3")))
    found: Any = anyio.run(lambda: compared(runs, turns))
    print(json.dumps({name: round(figure, 3) for name, figure in found.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
