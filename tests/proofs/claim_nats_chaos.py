"""Claims nats-chaos and nats-injuries: what befalls servers, workers, wires and disks loses, doubles and forges nothing."""

from __future__ import annotations

from tests.chaos import injuries, playing
from tests.proofs.frame import Figures, proof

SEED = 4
FAULTS, RUNS = 300, 5_000
INJURIES = 201
"""One of them is the old backup."""


@proof("nats-chaos", "servers and workers killed, frozen, cut off, slow and full, under load: nothing lost, doubled or left undone")
def chaos() -> Figures:
    figures, told = playing.figures(SEED, FAULTS, RUNS)
    assert not told, f"{figures}\n{told}"
    return figures


@proof("nats-injuries", "a bit flipped in a server's store, or an old backup, that changes what is read is found, and stops no healthy run")
def store() -> Figures:
    figures, told = injuries.figures(SEED, INJURIES)
    assert not told, f"{figures}\n{told}"
    return figures
