"""The same parked runs on SQLite, for comparison: a process that parks them, and one that comes after it was killed.

`python -m tests.bench.parked_embedded PLACE RUNS park|restart` prints figures in JSON; `beside` runs both, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import perdure
from perdure import signal, sleep_until, workflow
from perdure.runtime.engine import Runtime
from tests.bench.measuring import memory_of

PASSIVATED = 65.0
AT_ONCE = 200
TOLD = 64
"""Runs that are sent a signal after the restart."""


@workflow
async def listens() -> str:
    return await signal("word", str)


@workflow
async def until(due: datetime) -> None:
    await sleep_until(due)


async def park(place: str, runs: int) -> None:
    """Park so many, half of each kind, wait until they are forgotten, tell, and end without a goodbye."""
    async with perdure.open(place, workflows=[listens, until]) as runtime:
        before, _ = memory_of(os.getpid())
        began, tomorrow, left = time.monotonic(), datetime.now(UTC) + timedelta(days=1), iter(range(runs))

        async def work() -> None:
            for number in left:
                if number % 2:
                    await runtime.start(until, tomorrow + timedelta(seconds=number), id=f"day-{number}")
                else:
                    await runtime.start(listens, id=f"word-{number}")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        seconds = time.monotonic() - began
        await asyncio.sleep(PASSIVATED)
        after, peak = memory_of(os.getpid())
        print(json.dumps({"sqlite_parked_per_s": runs / seconds, "sqlite_mb_parked": after, "sqlite_mb_peak": peak,
                          "sqlite_kb_a_parked_run": (after - before) * 1e3 / runs}), flush=True)  # fmt: skip
        os._exit(0)


async def restart(place: str, began: float) -> None:
    """How long since `began`, by the wall clock, until so many were told a word."""
    async with perdure.open(place, workflows=[listens, until]) as runtime:
        await asyncio.gather(*(tell(runtime, f"word-{2 * number}") for number in range(TOLD)))
        print(json.dumps({"sqlite_restart_seconds": time.time() - began, "sqlite_mb_after_restart": memory_of(os.getpid())[0]}), flush=True)


async def tell(runtime: Runtime, run: str) -> None:
    await runtime.run(run).signal("word", "go")


def beside(runs: int) -> dict[str, float]:
    """The figures of both."""
    with tempfile.TemporaryDirectory() as folder:
        place = f"sqlite:///{Path(folder) / 'parked.db'}"
        return {**_alone(place, runs, "park"), **_alone(place, runs, "restart")}


def _alone(place: str, runs: int, what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.parked_embedded", place, str(runs), what, str(time.time())]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def main(place: str, runs: str, what: str, began: str) -> None:
    asyncio.run(park(place, int(runs)) if what == "park" else restart(place, float(began)))


if __name__ == "__main__":
    main(*sys.argv[1:])
