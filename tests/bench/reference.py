"""Whether our bare limit is an honest one: beside a reference program that `PERDURE_BARE` names, if it names one.

Such a program prints one JSON line with `steps_s`, as `python bare.py --runs 2000 --steps 10` does. Ours runs in a process of its
own, too: what a process that has measured much already keeps in memory slows it by a tenth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.bench.measuring import ROUNDS, fresh_folder, share_of

RUNS, STEPS = 2000, 10
OURS = """
import asyncio, pathlib, sys
from tests.bench.bare import throughput
print(asyncio.run(throughput(pathlib.Path(sys.argv[1]), {}, {})))
"""


def share(rounds: int = ROUNDS, *, is_needed: bool = False) -> dict[str, float]:
    """Our bare limit over the reference's, interleaved; without a reference only our own figure, or LookupError where one is needed."""
    program = os.environ.get("PERDURE_BARE", "")
    if not program and is_needed:
        raise LookupError("PERDURE_BARE names no reference program: set it to one that prints a JSON line with steps_s, and ask again")
    ours: list[float] = []
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds):
        with fresh_folder() as folder:
            ours.append(_ours(folder / "bare.db"))
        if program:
            asked = [sys.executable, program, "--runs", str(RUNS), "--steps", str(STEPS)]
            said = subprocess.run(asked, capture_output=True, text=True, check=True)
            pairs.append((ours[-1], float(json.loads(said.stdout)["steps_s"])))
    figures: dict[str, float] = {"medians_of": rounds, "bare_steps_per_s": median(ours)}
    if pairs:
        figures |= {"reference_steps_per_s": median(theirs for _, theirs in pairs), "of_the_reference": share_of(pairs)}
    return figures


def _ours(path: Path) -> float:
    """Steps a second of our bare limit."""
    said = subprocess.run([sys.executable, "-c", OURS.format(RUNS, STEPS), str(path)], capture_output=True, text=True, check=True)
    return float(said.stdout)
