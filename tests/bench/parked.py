"""Parked runs on NATS: what a worker keeps of them, how soon it is back, and how late it wakes them.

`python -m tests.bench.parked 5000`: so many runs, half of them waiting for a signal, half for a timer a day ahead.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from uuid import uuid4

import anyio
from nats.errors import NoRespondersError

from perdure.adapters.nats.records.reader import record_in
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.runtime.run import events as ev
from tests.adapters.nats.crew import Crew, Hand, crew, run_in
from tests.adapters.nats.server import running
from tests.bench.measuring import cpu_of, memory_of

SOON = 1000
"""Timers that come due while the others stand still, spread evenly over SPREAD seconds."""
SPREAD = 5.0
PASSIVATED = 65.0
"""Seconds after which a worker has forgotten every idle run: it looks for them every 30."""
AT_ONCE = 200
RESTARTS = ((signal.SIGKILL, "kill"), (signal.SIGTERM, "term"))

FLOWS = """
from datetime import datetime

from perdure import signal, sleep_until, workflow


@workflow
async def listens() -> str:
    return await signal("word", str)


@workflow
async def until(due: datetime) -> None:
    await sleep_until(due)
"""


class Start(NamedTuple):
    """A run to be parked."""

    workflow: str
    run: str
    arguments: list[Any]


async def parked(runs: int, *, soon: int = SOON, spread: float = SPREAD) -> dict[str, float]:
    """Park so many runs; the figures of the claim."""
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as folder, running(Path(room)) as server:
        async with crew(server.url, uuid4().hex, Path(folder), flows=FLOWS) as team:
            hand = await team.hire()
            before, _ = memory_of(hand.process.pid)
            began = time.monotonic()
            await park(team, starts(runs))
            seconds = time.monotonic() - began
            figures: dict[str, float] = {"parked": runs, "parked_per_s": runs / seconds}
            sequence = await position(team)
            await park(team, due_soon(soon, spread))
            await anyio.sleep(PASSIVATED + spread + 2)
            figures |= await lateness(team, sequence)
            after, peak = memory_of(hand.process.pid)
            for number, name in RESTARTS:
                words = [run_in(partition, f"{name}-") for partition in range(PARTITIONS)]
                await park(team, [Start("listens", run, []) for run in words])
                hand, figures[f"restart_after_{name}"] = await restarted(team, hand, number, words)
                figures[f"cpu_seconds_after_{name}"] = cpu_of(hand.process.pid)
                await anyio.sleep(3)
                figures[f"mb_after_{name}"], again = memory_of(hand.process.pid)
                peak = max(peak, again)
            figures["restart_seconds"] = max(figures[f"restart_after_{name}"] for _, name in RESTARTS)
            figures |= {"mb_before": before, "mb_parked": after, "mb_peak": peak, "server_mb": memory_of(server.pid)[0]}
            figures["worker_mb"] = max(after, *(figures[f"mb_after_{name}"] for _, name in RESTARTS))
            figures["kb_a_parked_run"] = (after - before) * 1e3 / runs
    return figures


def starts(runs: int) -> Iterator[Start]:
    """Half of them wait for a word, half for a moment a day ahead, a second apart."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for number in range(runs // 2):
        yield Start("listens", f"word-{number}", [])
        yield Start("until", f"day-{number}", [(tomorrow + timedelta(seconds=number)).isoformat()])


def due_soon(count: int, spread: float) -> Iterator[Start]:
    """Those that come due once they have been forgotten."""
    first = datetime.now(UTC) + timedelta(seconds=PASSIVATED)
    for number in range(count):
        yield Start("until", f"soon-{number}", [(first + timedelta(seconds=spread * number / count)).isoformat()])


async def park(team: Crew, wanted: Iterator[Start] | Sequence[Start]) -> None:
    """Start these, so many at once."""
    left = iter(wanted)

    async def work() -> None:
        for start in left:
            while True:
                subject, command = f"start.{start.workflow}", f"start {start.run}"
                try:
                    answer = await team.client.ask(subject, start.arguments, Perdure_Run_Id=start.run, Perdure_Command_Id=command)
                except (TimeoutError, NoRespondersError):
                    continue
                if answer["status"] != "unavailable":
                    break
                await anyio.sleep(0.1)
            assert answer["status"] == "applied", answer

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(work)


async def restarted(team: Crew, hand: Hand, number: int, words: Sequence[str]) -> tuple[Hand, float]:
    """The worker ends by a signal and is started anew; the seconds until a command was applied in each partition."""
    hand.send(number)
    await team.gone(hand)
    began = time.monotonic()
    hand = await team.hire()
    async with anyio.create_task_group() as group:
        for run in words:
            group.start_soon(tell, team, run)
    return hand, time.monotonic() - began


async def tell(team: Crew, run: str) -> None:
    """A word, asked for again only once an answer says that nobody has the run yet: the worker has work enough."""
    while True:
        with suppress(TimeoutError, NoRespondersError):
            answer = await team.client.ask(f"run.{run}.signal.word", "back", Perdure_Command_Id=f"back {run}")
            if answer["status"] != "unavailable":
                assert answer["status"] == "applied", answer
                return
        await anyio.sleep(0.05)


async def position(team: Crew) -> int:
    """How far the log has come."""
    newest = await team.store.last("LOG", team.store.subjects.tree("log"))
    return 0 if newest is None else newest.sequence


async def lateness(team: Crew, sequence: int) -> dict[str, float]:
    """By how much timers fired late: when that was decided, and when the server had stored it."""
    decided: list[float] = []
    stored: list[float] = []
    async for page in team.store.complete("LOG", team.store.subjects.tree("log"), sequence + 1):
        for message in page:
            batch = ev.CODEC.decode(record_in(message).data)
            for event in batch.events:
                if isinstance(event, ev.TimerFired):
                    decided.append((batch.at - event.due) / 1e3)
                    stored.append(microseconds(message.headers["Nats-Time-Stamp"]) / 1e3 - event.due / 1e3)
    cuts, ends = (quantiles(many, n=100, method="inclusive") for many in (decided, stored))
    return {"timers": len(decided), "late_p50_ms": cuts[49], "late_p99_ms": cuts[98], "stored_p50_ms": ends[49], "stored_p99_ms": ends[98]}


def microseconds(stamp: str) -> int:
    """The time in a stamp of the server, which has nanoseconds, since 1970."""
    whole, _, parts = stamp.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return round(moment.timestamp()) * 1_000_000 + int(parts.ljust(9, "0")[:6] or 0)


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 5000
    found: Any = anyio.run(lambda: parked(runs))
    print(json.dumps({name: round(figure, 3) for name, figure in found.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
