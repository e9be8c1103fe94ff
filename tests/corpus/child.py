"""`python -m tests.corpus.child FILE CASE SEED LIFE KILLS`: one life of a run on SQLite, which SIGKILL ends unless it is the last."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from tests.corpus.carriers import InFile
from tests.corpus.cases import CASES
from tests.corpus.ledger import Played
from tests.corpus.release import Life
from tests.corpus.virtual import VirtualClock, on_asyncio


def killed_really() -> NoReturn:
    """The end of the process, with no word to anybody."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process went on")


def main(file: str, name: str, seed: int, life: int, kills: int) -> None:
    case = next(case for case in CASES if case.name == name)
    run = case.play(seed)

    async def live(clock: VirtualClock) -> Played:
        async with InFile(Path(file)).opened(life) as carrier:
            return await Life(run, carrier, clock, run.kill(life) if life < kills else None, killed_really).live()

    print(on_asyncio(live).content)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
