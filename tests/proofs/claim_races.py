"""Claim races: what people wish of a run may race with anything, and with crashes, and nothing that was promised breaks.

Seeds that break something are told on the error stream as they are found, to be played again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.proofs.frame import proof
from tests.sim.__main__ import PROCESSES, RACES, Tally, play_all, told
from tests.sim.hunt import SEEDS_MAX, first_seed_that_betrays
from tests.sim.race_bugs import RACE_BUGS

SEEDS = 5000
SEEDS_FOR_COUNTERS = 1000


@proof("races", "5,000 histories of pauses, cancels, retries, updates, upgrades and crashes break no promise; planted bugs are found")
def races() -> Mapping[str, float]:
    whole, first = Tally(), Tally()
    for played in play_all(range(SEEDS)):
        whole.add(played)
        if first.seeds < SEEDS_FOR_COUNTERS:
            first.add(played)
        if played.violations:
            print(told(played), file=sys.stderr, flush=True)
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        found = dict(zip(RACE_BUGS, pool.map(first_seed_that_betrays, RACE_BUGS), strict=True))
    return {
        "seeds": whole.seeds,
        "violations": sum(len(played.violations) for played in whole.failed),
        "bugs": len(found),
        "bugs_missed": sum(seed is None for seed in found.values()),
        "seeds_needed_at_most": max(SEEDS_MAX + 1 if seed is None else seed + 1 for seed in found.values()),
        **{name: first.counters[name] for name in RACES},
    }
