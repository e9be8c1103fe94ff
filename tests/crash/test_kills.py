"""kill -9 at a share of all crash points, and two planted bugs that must be found, so that a clean result means something."""

from __future__ import annotations

import pytest

from tests.crash import kills, shim
from tests.crash.scenarios import SCENARIOS

SEED = 20
POINTS = 80
PLANTED = {"answers early": "acknowledged_events_lost", "draws keys": "attempts_with_another_key"}


@pytest.mark.slow
def test_no_kill_loses_doubles_or_repeats_anything() -> None:
    shim.built()
    findings = list(kills.examined(kills.some_points(SEED, POINTS)))

    assert kills.told(findings) == ""
    figures = kills.summed(findings, 1)
    assert figures["scenarios"] == len(SCENARIOS)
    assert figures["crash_points"] >= 0.8 * POINTS
    assert figures["torn_writes"] >= POINTS / 8
    assert figures["attempts_again_in_flight"] > 0
    assert figures["durable_though_not_acknowledged"] > 0


@pytest.mark.parametrize(("bug", "promise"), PLANTED.items())
@pytest.mark.slow
def test_a_planted_bug_is_found(bug: str, promise: str) -> None:
    shim.built()
    points = kills.some_points(SEED, POINTS)
    found = next((finding for finding in kills.examined(kills.with_bug(points, bug)) if promise in finding.broken), None)

    assert found is not None
