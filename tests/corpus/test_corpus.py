"""Every workflow of the corpus ends as it must, with one content digest on every carrier, killed or not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.adapters.nats.server import NatsServer, nats_server
from tests.corpus.carriers import CARRIERS, Simulated, carriers_of, in_nats, play_simulated
from tests.corpus.case import Case, ends_as_it_must
from tests.corpus.cases import CASES
from tests.corpus.killing import killed

__all__ = ["nats_server"]

ANYWHERE = [case for case in CASES if not case.is_transactional]
EACH = [pytest.param(case, id=case.name) for case in ANYWHERE]
IN_A_DATABASE = [pytest.param(case, id=case.name) for case in CASES if case.is_transactional]
SHARE = [*Random(4).sample(ANYWHERE, 9), next(case for case in CASES if case.name == "few_at_once")]
"""Those that are played on NATS here, where every life costs an opening; the proof plays all."""
SEEDS = 2
"""Orders of each case here; the proof `corpus` plays more."""


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("case", EACH)
def test_a_workflow_ends_as_it_must_and_replays(case: Case, seed: int, tmp_path: Path) -> None:
    run = case.play(seed)
    played = CARRIERS["memory"](run, tmp_path, 0)

    assert ends_as_it_must(case, played) == ""


@pytest.mark.parametrize("case", EACH)
def test_one_state_and_one_content_digest_on_every_carrier(case: Case, tmp_path: Path) -> None:
    memory, sqlite, simulation = (CARRIERS[name](case.play(7), tmp_path, 0) for name in ("memory", "sqlite", "simulation"))

    assert memory.state == sqlite.state
    assert memory.content == sqlite.content == simulation.content


@pytest.mark.parametrize("case", IN_A_DATABASE)
def test_what_is_kept_beside_the_log_is_there_once_killed_or_not(case: Case, tmp_path: Path) -> None:
    """Each run has a file of its own; that nothing is there twice is in its result."""
    plays = [(case.play(3), kills, on_it) for kills in (0, 9) for on_it in carriers_of(case).values()]
    played = [on_it(run, _folder(tmp_path / f"{kills}"), kills) for run, kills, on_it in plays]

    assert [ends_as_it_must(case, one) for one in played] == ["", ""]
    assert len({one.content for one in played}) == 1


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@pytest.mark.parametrize("kills", [0, 3])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in SHARE])
def test_a_workflow_on_nats_has_the_digest_that_it_has_on_sqlite(case: Case, kills: int, nats_server: NatsServer, tmp_path: Path) -> None:
    run = case.play(13)
    sqlite, nats = CARRIERS["sqlite"](run, tmp_path, 0), in_nats(nats_server.url, run, kills)

    assert nats.content == sqlite.content or (kills and case.shows_kills)
    assert ends_as_it_must(case, nats) == ""


@pytest.mark.parametrize("carrier", ["memory", "simulation"])
@pytest.mark.parametrize("case", EACH)
def test_a_run_killed_nine_times_has_the_digest_of_a_clean_one(case: Case, carrier: str, tmp_path: Path) -> None:
    run = case.play(11)
    clean, killed_run = CARRIERS["memory"](run, tmp_path, 0), CARRIERS[carrier](run, tmp_path, 9)

    assert killed_run.content == clean.content or case.shows_kills
    assert ends_as_it_must(case, killed_run) == ""


def test_the_simulated_log_does_what_a_log_may_do() -> None:
    happened: set[str] = set()
    for case in CASES[:6]:
        place = Simulated(case.name)
        play_simulated(case.play(1), place)
        happened |= set(place.happened)

    assert {"lost_reply", "refusal", "foreign_write", "slow_before", "slow_after"} <= happened


def test_seeds_make_different_orders(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "two_lines")
    played = [CARRIERS["memory"](case.play(seed), tmp_path, 0) for seed in range(12)]
    orders = {tuple(getattr(arrival, "id", "") for arrival in facts.main.arrivals) for facts in played}

    assert len(orders) > 6


def test_the_corpus_is_as_large_as_claimed() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60


def test_a_process_that_sigkill_ends_nine_times_leaves_the_digest_of_a_clean_run(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "tidy_losers")
    clean = CARRIERS["memory"](case.play(3), tmp_path, 0)

    assert killed(case, 3, tmp_path, 9) == (clean.content, 9)
