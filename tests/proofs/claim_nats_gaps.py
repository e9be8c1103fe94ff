"""Claim nats-gaps: how long commands wait when a worker dies, hangs, leaves or joins.

One run waits in each partition. Right after the blow each of them is sent a signal; its gap is the time until that is applied.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import uuid4

import anyio

from perdure.adapters.nats.wire.buckets import PARTITIONS
from tests.adapters.nats.crew import Crew, Hand, crew, run_in
from tests.adapters.nats.server import running
from tests.proofs.frame import Figures, proof

ROUNDS = 10

Blow = Callable[[Crew, Hand], Coroutine[Any, Any, None]]


@proof("nats-gaps", "seconds that commands wait when a worker is killed, frozen, told to leave, or joined by another")
def workers() -> Figures:
    return anyio.run(_workers)


async def _workers() -> Figures:
    figures: dict[str, float] = {"rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as folder, running(Path(room)) as server:
        async with crew(server.url, uuid4().hex, Path(folder)) as team:
            first = await team.hire()
            await team.shared(first)
            runs = await waiting(team)
            for name, blow in (("kill", kill), ("freeze", freeze), ("drain", drain), ("join", None)):
                gaps: list[float] = []
                for round_ in range(ROUNDS):
                    gaps += await one_round(team, first, runs, f"{name} {round_}", blow)
                cuts = quantiles(gaps, n=100, method="inclusive")
                figures |= {f"{name}_p50": cuts[49], f"{name}_p99": cuts[98]}
            figures["runs_out_of_epoch"] = sum(found != sorted(found) for found in (await team.epochs()).values())
    return figures


async def one_round(team: Crew, first: Hand, runs: Sequence[str], name: str, blow: Blow | None) -> list[float]:
    """The gap of each run around one blow to a second worker; without one, around its joining."""
    second, gaps = await (joined(team, first, runs, name) if blow is None else struck(team, first, runs, name, blow))
    if second.process.poll() is None:
        second.send(signal.SIGKILL)
        await team.gone(second)
    await team.shared(first)
    return gaps


async def struck(team: Crew, first: Hand, runs: Sequence[str], name: str, blow: Blow) -> tuple[Hand, list[float]]:
    second = await team.hire()
    await team.shared(first, second)
    await blow(team, second)
    return second, await told(team, runs, name)


async def joined(team: Crew, first: Hand, runs: Sequence[str], name: str) -> tuple[Hand, list[float]]:
    """Words are sent all the while, until the newcomer has its share."""
    gaps: list[float] = []
    hands: list[Hand] = []

    async def come() -> None:
        hand = await team.hire()
        await team.shared(first, hand)
        hands.append(hand)

    async with anyio.create_task_group() as group:
        group.start_soon(come)
        while not hands:
            gaps += await told(team, runs, f"{name}.{len(gaps)}")
    return hands[0], gaps


async def kill(team: Crew, hand: Hand) -> None:
    hand.send(signal.SIGKILL)


async def freeze(team: Crew, hand: Hand) -> None:
    hand.send(signal.SIGSTOP)


async def drain(team: Crew, hand: Hand) -> None:
    hand.send(signal.SIGTERM)


async def waiting(team: Crew) -> list[str]:
    """A run that waits for words in each partition."""
    runs = [run_in(partition, "w") for partition in range(PARTITIONS)]
    async with anyio.create_task_group() as group:
        for run in runs:
            group.start_soon(team.start, "waits", run)
    return runs


async def told(team: Crew, runs: Sequence[str], name: str) -> list[float]:
    """The seconds until each run was told a word."""
    gaps: list[float] = []

    async def tell(run: str) -> None:
        began = time.monotonic()
        await team.word(run, f"{name} {run}")
        gaps.append(time.monotonic() - began)

    async with anyio.create_task_group() as group:
        for run in runs:
            group.start_soon(tell, run)
    return gaps
