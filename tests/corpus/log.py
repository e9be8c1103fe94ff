"""One file with a run of every workflow of the corpus, played one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perdure.adapters.sqlite.open import open_sqlite
from tests.corpus.case import Case
from tests.corpus.cases import CASES
from tests.corpus.release import Life, killed_here
from tests.corpus.virtual import VirtualClock, on_asyncio


def write_log(file: Path, seed: int, cases: Sequence[Case] = CASES) -> int:
    """Play every case into the file; how many."""

    async def play_all(clock: VirtualClock) -> int:
        for case in cases:
            async with open_sqlite(file) as carrier:
                await Life(case.play(seed), carrier, clock, None, killed_here).live()
        return len(cases)

    return on_asyncio(play_all)
