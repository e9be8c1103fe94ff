"""Claims nats-parked and nats-finished: what many runs that stand still, or have ended, cost a worker on NATS."""

from __future__ import annotations

import anyio

from tests.bench import parked_embedded
from tests.bench.finished import finished
from tests.bench.parked import parked
from tests.proofs.frame import Figures, proof

PARKED = 100_000
FINISHED, ACTIVE = 1_000_000, 1_000


@proof("nats-parked", "100,000 parked runs: memory of the worker, how soon it is back, how late it wakes; SQLite beside it")
def many_parked() -> Figures:
    return {**anyio.run(lambda: parked(PARKED)), **parked_embedded.beside(PARKED)}


@proof("nats-finished", "1,000 active runs go on after a kill though 1,000,000 have ended")
def many_finished() -> Figures:
    return anyio.run(lambda: finished(FINISHED, ACTIVE))
