"""Claim nats-gaps: how long commands wait when a worker dies, hangs, leaves or joins, and when the server that leads is killed.

One run waits in each partition. Right after the blow each of them is sent a signal; its gap is the time until that is applied.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import uuid4

import anyio
import msgspec

from perdure.adapters.nats.wire.buckets import PARTITIONS
from tests.adapters.nats.cluster import cluster
from tests.adapters.nats.crew import Crew, Hand, crew, run_in
from tests.adapters.nats.server import NatsServer, running
from tests.bench.jetstream import bare
from tests.proofs.frame import Figures, proof

ROUNDS = 10
LEADERS_KILLED = 3
PAUSE = 0.02

Blow = Callable[[Crew, Hand], Coroutine[Any, Any, None]]


@proof("nats-gaps", "seconds that commands wait when a worker is killed, frozen, told to leave, or joined by another")
def workers() -> Figures:
    return anyio.run(_workers)


@proof("nats-leader", "the same when the server that leads is killed, over what a bare client waits")
def leader() -> Figures:
    return anyio.run(_leader)


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


# -- the server that leads ---------------------------------------------------------------------------------------------


async def _leader() -> Figures:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(LEADERS_KILLED):
        with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as folder:
            async with cluster(Path(room)) as servers:
                gap, bare_gap = await around_a_leader(servers, Path(folder))
                ours.append(gap)
                theirs.append(bare_gap)
    return {
        "leaders_killed": LEADERS_KILLED, "longest_gap": max(ours), "longest_bare_gap": max(theirs),
        "seconds_over_bare": max(gap - bare_gap for gap, bare_gap in zip(ours, theirs, strict=True)),
    }  # fmt: skip


async def around_a_leader(servers: Sequence[NatsServer], folder: Path) -> tuple[float, float]:
    """(the longest gap of a command, the longest gap of a bare append), one server being killed that leads for both."""
    urls, namespace = ",".join(server.url.removeprefix("nats://") for server in servers), uuid4().hex
    url = f"nats://{urls}"
    async with crew(url, namespace, folder, options="?replicas=3") as team, bare([server.url for server in servers], 3) as appends:
        await team.hire()
        runs = await waiting(team)
        name = appends.prefix.removeprefix("bare.")
        victim = await led_by(appends.client, f"PERDURE_{namespace}_LOG")
        while await led_by(appends.client, name) != victim:
            wanted = msgspec.json.encode({"placement": {"preferred": victim}})
            await appends.client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{name}", wanted, timeout=5)
            await anyio.sleep(PAUSE)
        servers[int(victim.removeprefix("node"))].kill()
        found: dict[str, float] = {}
        async with anyio.create_task_group() as group:

            async def alone() -> None:
                found["bare"] = await until_stored(appends)

            group.start_soon(alone)
            found["ours"] = max(await told(team, runs, "after the leader"))
        return found["ours"], found["bare"]


async def led_by(client: Any, stream: str) -> str:
    """The name of the server that leads for a JetStream stream."""
    while True:
        told_ = msgspec.json.decode((await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=5)).data)
        leader_: str = told_.get("cluster", {}).get("leader", "")
        if leader_:
            return leader_
        await anyio.sleep(PAUSE)


async def until_stored(appends: Any) -> float:
    """The seconds until a bare append is acknowledged, sent again as long as it is not."""
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(0.5):
                await appends.append(uuid4().int, 0, 0)
                return time.monotonic() - began
        except (TimeoutError, AssertionError):
            await anyio.sleep(PAUSE)
