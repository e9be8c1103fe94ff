"""The hunt for a planted bug: the first seed whose history betrays it."""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.bugs import BUGS
from tests.sim.play import Played, play_seed
from tests.sim.race_bugs import RACE_BUGS

SEEDS_MAX = 2000


def play_with(bug: str, seed: int) -> Played:
    """One seed with a bug planted."""
    with BUGS[bug]():
        return play_seed(seed)


def first_seed_that_betrays(bug: str, seeds: Iterable[int] = range(SEEDS_MAX)) -> int | None:
    """As below, for a bug of `race_bugs`: only a violation counts that speaks of its own promise."""
    planted, word = RACE_BUGS[bug]
    with planted():
        return next((seed for seed in seeds if any(word in told for told in play_seed(seed).violations)), None)


def first_seed_that_finds(bug: str, seeds: Iterable[int] = range(SEEDS_MAX)) -> int | None:
    """None where none of these seeds does."""
    return next((seed for seed in seeds if play_with(bug, seed).violations), None)
