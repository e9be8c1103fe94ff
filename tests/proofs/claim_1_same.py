"""Claim 1, same answer everywhere: one log read in every surrounding; one corpus played on every carrier, killed or not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

from tests import machine
from tests.corpus.carriers import CARRIERS, carriers_of
from tests.corpus.case import Case, ends_as_it_must
from tests.corpus.cases import CASES, CASES_ALONE
from tests.corpus.killing import killed
from tests.corpus.log import write_log
from tests.proofs.frame import Figures, proof

HASH_SEEDS = range(8)
SEEDS = range(3)
KILLS = 9
REALLY_KILLED = ("tidy_losers", "cancelled_deep", "persistent")


def read_elsewhere(python: Path, hash_seed: int, file: Path) -> dict[str, Any]:
    """What another interpreter under another hash seed finds in a copy of the file, by loop."""
    with tempfile.TemporaryDirectory() as folder:
        for kept in file.parent.glob(f"{file.name}*"):
            shutil.copy(kept, folder)
        surroundings = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        command = [str(python), "-m", "tests.corpus.reading", str(Path(folder) / file.name)]
        done = subprocess.run(command, cwd=machine.ROOT, env=surroundings, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{python}, PYTHONHASHSEED={hash_seed}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@proof("1a", "one log refolded and driven gives one state digest in every surrounding, from zero and from each snapshot")
def one_log_one_state() -> Figures:
    pythons = [python for version in machine.PYTHONS if (python := machine.environment(version)) is not None]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "corpus.db"
        runs = write_log(file, seed=5)
        with ThreadPoolExecutor(os.cpu_count()) as several:
            readers = [several.submit(read_elsewhere, python, hash_seed, file) for python, hash_seed in product(pythons, HASH_SEEDS)]
            found = [reader.result() for reader in readers]
    readings = [reading for by_loop in found for reading in by_loop.values()]
    return {
        "distinct_digests": len({reading["digest"] for reading in readings}),
        "hash_seeds": len(HASH_SEEDS),
        "loops": min(len(by_loop) for by_loop in found),
        "pythons": len(pythons),
        "starting_points": min(reading["fewest"] for reading in readings),
        "readings": len(readings),
        "runs": runs,
    }


def digests(case: Case, folder: Path, seeds: Sequence[int] = SEEDS) -> tuple[bool, int]:
    """(whether a clean run has another digest on some carrier, or a wrong end, how many killed runs have another than the clean one)."""
    differs, killed_differ = False, 0
    for seed in seeds:
        run = case.play(seed)
        clean = [on_it(run, _made(folder / f"clean-{seed}"), 0) for on_it in carriers_of(case).values()]
        after = [on_it(run, _made(folder / f"killed-{seed}"), KILLS) for on_it in carriers_of(case).values()]
        found = {played.content for played in clean}
        differs = differs or len(found) > 1 or any(ends_as_it_must(case, played) for played in clean)
        killed_differ += sum(bool(ends_as_it_must(case, played)) for played in after)
        killed_differ += sum(played.content not in found and not case.shows_kills for played in after)
    return differs, killed_differ


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@proof("1b", "every workflow of the corpus has one content digest on every carrier, and killed nine times still has it")
def one_digest_each() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        found = [digests(case, Path(folder)) for case in CASES_ALONE]
        really = [really_killed(case, Path(folder)) for case in CASES if case.name in REALLY_KILLED]
    return {
        "workflows": len(CASES_ALONE),
        "carriers": len(CARRIERS),
        "seeds": len(SEEDS),
        "workflows_that_differ": sum(differs for differs, _ in found),
        "kills": min(KILLS, *(kills for _, kills in really)),
        "killed_runs_that_differ": sum(differ for _, differ in found) + sum(differs for differs, _ in really),
        "killed_runs": len(CASES_ALONE) * len(SEEDS) * len(CARRIERS) + len(really),
        "of_them_by_sigkill": len(really),
    }


def really_killed(case: Case, folder: Path) -> tuple[bool, int]:
    """(whether a run that SIGKILL ended again and again has another digest than a clean one, how often it struck)."""
    clean = CARRIERS["sqlite"](case.play(9), _made(folder / "unharmed"), 0)
    digest, kills = killed(case, 9, _made(folder / "killed"), KILLS)
    return digest != clean.content, kills
