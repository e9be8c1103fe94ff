"""Planted bugs: each is found within a few hundred seeds, or a checker has gone blind."""

from __future__ import annotations

import pytest

from tests.sim.bugs import BUGS
from tests.sim.hunt import first_seed_that_betrays, first_seed_that_finds
from tests.sim.play import play_seed
from tests.sim.race_bugs import RACE_BUGS

SEEDS = 500

FOUND_LATE = {
    "snapshot of tentative state": 56, "signal kept by a loser": 270, "signal eaten by a loser": 44,
    "timer early after a backward clock jump": 22, "child outcome lost": 70, "approval decided twice": 15,
    "child forgotten by its parent": 11, "dedupe forgotten at snapshot": 41,
}  # fmt: skip
"""Where a hunt from seed 0 on was long, the last time that somebody looked: there it is tried first."""


def seeds_for(bug: str) -> list[int]:
    return [FOUND_LATE.get(bug, 0), *range(SEEDS)]


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_is_what_was_found(bug: str) -> None:
    seed = first_seed_that_finds(bug, seeds_for(bug))

    assert seed is not None
    assert play_seed(seed).violations == []


@pytest.mark.parametrize("bug", [bug for bug in RACE_BUGS if bug not in BUGS])
def test_a_bug_that_only_races_betray_is_found_by_the_promise_that_it_breaks(bug: str) -> None:
    assert first_seed_that_betrays(bug, seeds_for(bug)) is not None
