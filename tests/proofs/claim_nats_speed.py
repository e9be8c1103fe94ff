"""Claim nats-speed: what a durable step costs on JetStream, beside bare appends to the same server in the same minute."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from tests.adapters.nats.cluster import cluster
from tests.adapters.nats.server import running
from tests.bench import jetstream, two
from tests.proofs.frame import Figures, proof

ROUNDS = 5
SLOW_MS = 1.0
RUNS, TURNS = 2000, 3


@proof("nats-speed-r1", "W1 and W2 on one server that syncs always: share of the better bare way, bare appends a commit takes")
def one_server() -> Figures:
    with tempfile.TemporaryDirectory() as room, running(Path(room)) as server:
        return asyncio.run(both(server.url, 1))


@proof("nats-speed-r1-slow", "the same where every sync takes a millisecond longer")
def one_slow_server() -> Figures:
    with tempfile.TemporaryDirectory() as room, running(Path(room), slow_ms=slow()) as server:
        return asyncio.run(both(server.url, 1))


@proof("nats-speed-r3", "the same on three servers that replicate to each other")
def three_servers() -> Figures:
    return asyncio.run(clustered(0.0))


@proof("nats-speed-r3-slow", "the same on three where every sync takes a millisecond longer")
def three_slow_servers() -> Figures:
    return asyncio.run(clustered(slow()))


@proof("nats-speed-two", "two workers that share the work beside one, in turns: processor time a step, steps a second")
def two_workers() -> Figures:
    return asyncio.run(two.compared(RUNS, TURNS))


async def clustered(slow_ms: float) -> Figures:
    with tempfile.TemporaryDirectory() as room:
        async with cluster(Path(room), slow_ms=slow_ms) as servers:
            return await both(servers[0].url, len(servers))


async def both(url: str, replicas: int) -> Figures:
    return await jetstream.w1(url, replicas=replicas, rounds=ROUNDS) | await jetstream.w2(url, replicas=replicas)


def slow() -> float:
    """The delay, where the tool is there that makes it."""
    if shutil.which("strace") is None:
        raise RuntimeError("this claim needs strace: install the package of that name")
    return SLOW_MS
