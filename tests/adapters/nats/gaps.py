"""`python -m tests.adapters.nats.gaps [--tries N]`: how long runs stand still when a worker dies, freezes, leaves or joins.

A run waits in each of the 64 partitions. From the moment of the event, each is sent a word until the word is applied; the gap
is that of the slowest. Real processes, one nats-server that syncs always.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import anyio

from perdure.adapters.nats.buckets import PARTITIONS
from tests.adapters.nats.crew import Crew, Hand, crew, run_in
from tests.adapters.nats.server import running

RUNS = [run_in(partition, "w") for partition in range(PARTITIONS)]
Event = Callable[[Crew, Hand, str], Awaitable[float]]


async def kill(team: Crew, hand: Hand, name: str) -> float:
    """Kill -9"""
    hand.send(signal.SIGKILL)
    return await team.word_to_all(RUNS, name)


async def freeze(team: Crew, hand: Hand, name: str) -> float:
    """SIGSTOP"""
    hand.send(signal.SIGSTOP)
    gap = await team.word_to_all(RUNS, name)
    hand.send(signal.SIGCONT)
    return gap


async def drain(team: Crew, hand: Hand, name: str) -> float:
    """SIGTERM"""
    hand.send(signal.SIGTERM)
    return await team.word_to_all(RUNS, name)


async def drain_until_gone(team: Crew, hand: Hand, name: str) -> float:
    """SIGTERM, until the process has ended"""
    began = time.monotonic()
    hand.send(signal.SIGTERM)
    await team.gone(hand)
    return time.monotonic() - began


async def join(team: Crew, hand: Hand, name: str) -> float:
    """A worker joins: the slowest of many words meanwhile"""
    joined = anyio.Event()
    slowest = 0.0

    async def speak() -> None:
        nonlocal slowest
        rounds = 0
        while not joined.is_set():
            rounds += 1
            slowest = max(slowest, await team.word_to_all(RUNS, f"{name} {rounds}"))

    async with anyio.create_task_group() as group:
        group.start_soon(speak)
        third = await team.hire()
        await team.until(lambda owners: set(owners) == {member.name for member in (*working(team), third)} and "" not in owners)
        joined.set()
    return slowest


def working(team: Crew) -> list[Hand]:
    return [hand for hand in team.hands if hand.process.poll() is None]


async def measured(event: Event, tries: int, folder: Path, url: str) -> list[float]:
    """The gaps of so many tries, each with two workers."""
    gaps: list[float] = []
    async with crew(url, uuid4().hex, folder) as team:
        await team.hire()
        for run in RUNS:
            await team.start("waits", run)
        for number in range(tries):
            while len(working(team)) < 2:
                await team.hire()
            await team.shared(*working(team))
            gaps.append(await event(team, working(team)[-1], f"{number}"))
            if event is freeze:
                await team.shared(*working(team))
            for hand in working(team)[2:]:
                hand.send(signal.SIGTERM)
                await team.gone(hand)
        for run, found in (await team.epochs()).items():
            assert found == sorted(found), f"{run}: {found}"
    return gaps


def told(event: Event, gaps: list[float]) -> str:
    ordered = sorted(gaps)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return f"{event.__doc__:55} {len(gaps):3} tries   p50 {p50:5.2f} s   p99 {p99:5.2f} s   worst {ordered[-1]:5.2f} s"


async def main(tries: int) -> None:
    for event in (kill, freeze, drain, drain_until_gone, join):
        with TemporaryDirectory() as folder, running(Path(folder)) as server:
            print(told(event, await measured(event, tries, Path(folder), server.url)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=10)
    anyio.run(main, parser.parse_args().tries)
