"""A log that this Python wrote is the same state under every other, from zero and from each snapshot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests import machine
from tests.corpus.cases import CASES
from tests.corpus.log import write_log
from tests.proofs.claim_1_same import read_elsewhere

NEW = ("subscription", "told_the_next", "large", "held_by_a_handle", "moved", "account")
SOME = [case for case in CASES if case.name in ("persistent", "stock", "chance", "tidy_losers", "cancelled_deep", *NEW)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("log") / "corpus.db"
    write_log(file, 21, SOME)
    return file


@pytest.fixture(scope="module")
def here(log: Path) -> dict[str, Any]:
    """What the Python of these tests finds."""
    return read_elsewhere(Path(sys.executable), 0, log)


@pytest.mark.timeout(300)  # makes the environment the first time
@pytest.mark.parametrize("version", machine.PYTHONS)
def test_every_python_and_loop_finds_one_state(version: str, log: Path, here: dict[str, Any]) -> None:
    there = read_elsewhere(machine.python(version), 7, log)

    assert {reading["digest"] for reading in [*here.values(), *there.values()]} == {here["asyncio"]["digest"]}
    assert {"asyncio", "trio"} <= set(there)
    assert there["trio"]["places"] > 5 * len(SOME)
