"""`python -m tests.sim [--seeds N] [--first N] [--seed N]`: play whole histories, each from one integer, and check them.

Violations are printed with their seed and the digest of its history; `--seed N` plays that one again and prints its trace.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # started by its path instead of by its name
    sys.path.insert(0, str(ROOT))

from tests.sim.play import Played, play_seed  # noqa: E402  needs the path above

PROCESSES = 2
CHUNK = 10

MUST_HAPPEN = (
    "conflicts_with_refold", "lost_replies", "torn_tails", "dedupe_hits", "late_outcomes", "cancelled_losers", "passivated_runs_woken",
    "retries_after_crash", "takeovers_during_a_step", "approvals_decided", "approvals_expired", "decisions_refused",
)  # fmt: skip
"""What a thousand seeds must have met, or the simulation is blind to it."""

RACES = (
    "pauses", "pauses_during_a_step", "resumes_with_arrivals", "delayed_starts", "timed_out", "retried_runs", "retried_with_a_child",
    "generations", "late_outcomes_of_an_earlier_generation", "cancels_while_backing_off", "other_lives", "updates_answered", "upgrades",
    "patched", "suspended_unknown_workflow", "suspended_diverged", "dedupe_hits_behind_a_snapshot",
    "timers_set_behind_a_clock_that_went_back",
)  # fmt: skip
"""What people must have wished at awkward moments in as many seeds, and got."""

VOTES = ("voices", "voices_repeated", "quorums", "escalations")
"""What people who decide by policies must have done in as many seeds."""


@dataclass
class Tally:
    """What became of many seeds."""

    seeds: int = 0
    counters: Counter[str] = field(default_factory=Counter[str])
    failed: list[Played] = field(default_factory=list[Played])

    def add(self, played: Played) -> None:
        self.seeds += 1
        self.counters.update(played.counters)
        if played.violations:
            self.failed.append(played)

    @property
    def missing(self) -> list[str]:
        return [name for name in (*MUST_HAPPEN, *RACES, *VOTES) if not self.counters[name]]


def play_all(seeds: Iterable[int]) -> Iterator[Played]:
    """Play the seeds in two processes; in their order, so that the first failure printed is the first there is."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play_seed, seeds, chunksize=CHUNK)


def told(played: Played) -> str:
    text = "\n".join(f"  - {what}" for what in played.violations)
    return f"seed {played.seed}, history {played.digest}:\n{text}\n  again: make sim ARGS='--seed {played.seed}'"


def again(seed: int) -> int:
    played = play_seed(seed)
    print("\n".join(played.trace))
    print(f"seed {seed}, history {played.digest}, {played.seconds:.0f} virtual seconds, {len(played.violations)} violations")
    if played.violations:
        print(told(played))
    return 1 if played.violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sim", description="Whole histories of several nodes, each from one integer.")
    parser.add_argument("--seeds", type=int, default=2000, metavar="N", help="how many")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first of them")
    parser.add_argument("--seed", type=int, metavar="N", help="only this one, with its trace")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return again(options.seed)
    tally, started = Tally(), time.perf_counter()
    for played in play_all(range(options.first, options.first + options.seeds)):
        tally.add(played)
        if played.violations:
            print(told(played), flush=True)
    seconds = time.perf_counter() - started
    for name, count in sorted(tally.counters.items()):
        blind_to_it = "   never: the simulation is blind to it" if not count and name in (*MUST_HAPPEN, *RACES, *VOTES) else ""
        print(f"{name.replace('_', ' '):42}{count:10,}{blind_to_it}")
    print(f"{tally.seeds:,} seeds, {len(tally.failed)} with violations, {tally.seeds / seconds:.1f} seeds/s in {PROCESSES} processes")
    blind = tally.missing if tally.seeds >= 1000 else []
    if blind:
        print(f"never happened: {', '.join(blind)}")
    return 1 if tally.failed or blind else 0


if __name__ == "__main__":
    raise SystemExit(main())
