"""Two sequences of steps side by side: whichever way they interleave, and whatever is put into one of them, the ids stay."""

from __future__ import annotations

from tests.corpus.branching import two_lines
from tests.corpus.interleaved import CHANGED, differences, effects, one_schedule

HERE = [f"0.{branch}/{step}" for branch in (0, 1) for step in range(4)]


def test_every_order_gives_the_same_ids_and_results_and_replays() -> None:
    found = [one_schedule(seed) for seed in range(60)]

    assert len({one.order for one in found}) > 25
    assert {one.ids for one in found} == {tuple(HERE)}
    assert {one.result for one in found} == {b'[["a0","a1","a2","a3"],["b0","b1","b2","b3"]]'}
    assert all(one.agrees for one in found)


def test_a_step_put_into_one_branch_shifts_no_id_of_the_other() -> None:
    before, after = effects(two_lines, 3), effects(CHANGED, 3)

    assert {id: before[id] for id in HERE[4:]} == {id: after[id] for id in HERE[4:]}
    assert after != before


def test_an_old_log_names_the_first_difference_and_only_in_the_branch_that_was_changed() -> None:
    for seed in range(20):
        difference = differences(one_schedule(seed).facts)

        assert "0.0/" in difference["expected"] + difference["found"]
        assert "0.1/" not in difference["expected"] + difference["found"]
        assert '"new"' in difference["found"]
