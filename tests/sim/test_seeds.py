"""A share of the histories that `make sim` plays, and the simulation held against itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim import __main__ as program
from tests.sim.play import play_seed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 100, 10))
def test_histories_break_no_promise(first: int) -> None:
    broken = [program.told(played) for seed in range(first, first + 10) if (played := play_seed(seed)).violations]

    assert broken == []


def test_one_seed_is_one_history_in_every_process() -> None:
    command = [sys.executable, "-c", "from tests.sim.play import play_seed; print(play_seed(3).digest, play_seed(8).digest)"]
    told = [
        subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True).stdout
        for hash_seed in "07"
    ]

    assert told[0] == told[1]
    assert told[0].split() == [play_seed(3).digest, play_seed(8).digest]


def test_another_seed_is_another_history() -> None:
    assert len({play_seed(seed).digest for seed in range(3)}) == 3
