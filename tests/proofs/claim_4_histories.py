"""Claim 4: whole histories of several nodes hold under every weather, and a bug would not stay hidden."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.proofs.frame import proof
from tests.sim.__main__ import MUST_HAPPEN, PROCESSES, Tally, play_all
from tests.sim.bugs import BUGS
from tests.sim.hunt import SEEDS_MAX, first_seed_that_finds

SEEDS = 2000
SEEDS_FOR_COUNTERS = 1000


@functools.cache
def tallies() -> tuple[Tally, Tally]:
    """(of all seeds, of the first thousand)."""
    whole, first = Tally(), Tally()
    for played in play_all(range(SEEDS)):
        whole.add(played)
        if first.seeds < SEEDS_FOR_COUNTERS:
            first.add(played)
    return whole, first


@proof("4-seeds", "2,000 histories, one integer each, break no promise")
def seeds() -> Mapping[str, float]:
    whole, _ = tallies()
    return {
        "seeds": whole.seeds,
        "violations": sum(len(played.violations) for played in whole.failed),
        "records": whole.counters["records"],
        "starts_of_nodes": whole.counters["starts_of_nodes"],
        "attempts": whole.counters["attempts"],
    }


@proof("4-bugs", "each planted bug is found, the redundant guard off")
def bugs() -> Mapping[str, float]:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        found = dict(zip(BUGS, pool.map(first_seed_that_finds, BUGS), strict=True))
    needed = {
        f"seeds_for_{name.replace(' ', '_').replace('-', '_').lower()}": SEEDS_MAX + 1 if seed is None else seed + 1
        for name, seed in found.items()
    }
    return {
        "bugs": len(BUGS),
        "bugs_missed": sum(seed is None for seed in found.values()),
        "seeds_needed_at_most": max(needed.values()),
        **needed,
    }


@proof("4-counters", "within 1,000 histories everything has happened that the simulation is for")
def counters() -> Mapping[str, float]:
    _, first = tallies()
    return {"seeds": first.seeds, **{name: first.counters[name] for name in MUST_HAPPEN}}
