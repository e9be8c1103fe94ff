"""Half a minute of chaos: three faults of different sorts; `make chaos` and the claim `nats-chaos` play 300 of them."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from tests.chaos import playing
from tests.chaos.film_scenes import a_long_film
from tests.chaos.load import SCENES

SEED = 11
SHARE = ["owner_and_queue_worker_killed", "server_killed", "worker_cut_off"]
RUNS = 20
SHORT = [scene for scene in SCENES if scene is not a_long_film]


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_left_undone_whatever_befalls_servers_and_workers() -> None:
    seen, seconds = anyio.run(partial(playing.played, SEED, SHARE, RUNS, players=3, pause=1.0, scenes=SHORT))
    figures, told = playing.figures_of(seen, seconds)

    assert told == ""
    assert figures["faults"] == len(SHARE)
    assert figures["runs"] >= RUNS
    assert figures["queue_attempts"] >= 1
    assert figures["share_of_calls_answered_in_calm"] >= 0.9
