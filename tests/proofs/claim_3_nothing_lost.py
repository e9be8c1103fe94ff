"""Claim 3: nothing lost, nothing forged."""

from __future__ import annotations

from tests.crash import injuries, kills
from tests.proofs.frame import Figures, proof

SEED = 3
INJURIES = 2_400


@proof("3-kills", "kill -9 before, inside and after every write of five scenarios loses, doubles and repeats nothing")
def kill_at_every_write() -> Figures:
    figures, told = kills.figures(kills.every_point(SEED))
    assert not told, f"{figures}\n{told}"
    return figures


@proof("3-injuries", "every flipped bit and every cut that changes what a read returns is found, and stops no healthy run")
def injure_every_part() -> Figures:
    figures, told = injuries.figures(SEED, INJURIES)
    assert not told, f"{figures}\n{told}"
    return figures
