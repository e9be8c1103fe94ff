"""Claim nats-chaos: what befalls servers, workers, wires and disks loses and doubles nothing."""

from __future__ import annotations

from tests.chaos import playing
from tests.proofs.frame import Figures, proof

SEED = 4
FAULTS, RUNS = 300, 5_000


@proof("nats-chaos", "servers and workers killed, frozen, cut off, slow and full, under load: nothing lost, doubled or left undone")
def chaos() -> Figures:
    figures, told = playing.figures(SEED, FAULTS, RUNS)
    assert not told, f"{figures}\n{told}"
    return figures
