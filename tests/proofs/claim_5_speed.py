"""Claim 5: what a durable step costs, beside the bare limit of the same machine in the same minute."""

from __future__ import annotations

import asyncio

from tests.bench import loads, reference
from tests.bench.measuring import fsync_latency
from tests.bench.starting import import_time
from tests.proofs.frame import Figures, proof


@proof("5-bare", "our bare limit reaches 0.95 of the reference program that PERDURE_BARE names")
def bare() -> Figures:
    return reference.share(is_needed=True)


@proof("5-w1", "W1, 2,000 runs of 10 steps at once: share of the bare limit, and CPU a step on the memory log")
def many_runs() -> Figures:
    return asyncio.run(loads.w1()) | {"fsync_us": fsync_latency()}


@proof("5-w2", "W2, one run at a time: bare commits that one of its commits takes")
def one_run() -> Figures:
    return asyncio.run(loads.w2()) | {"fsync_us": fsync_latency()}


@proof("5-w3", "W3, 1,000 parallel steps in one run: share of the bare limit")
def fan_out() -> Figures:
    return asyncio.run(loads.w3()) | {"fsync_us": fsync_latency()}


@proof("5-long", "10,000 steps in one run: CPU time of the last 1,000 over that of the first 1,000")
def long_run() -> Figures:
    return asyncio.run(loads.long_run())


@proof("5-replay", "replay, all in: read, verified, decoded, evolved and driven")
def replay() -> Figures:
    return asyncio.run(loads.replay())


@proof("5-import", "import perdure, over msgspec and anyio")
def importing() -> Figures:
    return import_time()
