"""Claim http-load: how many runs the service starts beside a bare route of the same framework, how soon, for how many, in what memory."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from statistics import median

from tests.adapters.http.processes import Serving, made_key, serving
from tests.bench.measuring import share_of
from tests.bench.service.beside import bare, follow, load
from tests.proofs.frame import Figures, proof

ROUNDS = 5
SECONDS = 4.0
PATH = "/api/v1/workflows/runs"
FOLLOWERS, FOLLOWED = 1000, 100
RUNS_EARLY, RUNS_LATE = 10_000, 100_000


@proof("http-load", "starting runs over HTTP beside one durable commit behind a bare route, in one run, on two cores")
def runs_are_started() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        log = f"sqlite:///{folder}/ours.db"
        key = made_key(log, "starter")
        with serving(log, "tests.bench.service.flows", errors=subprocess.DEVNULL) as ours:
            memory = grown(ours, key)
            with bare(Path(folder)) as theirs:
                speed = beside(ours, theirs, key)
            return {**speed, **follow(ours, key, FOLLOWERS, FOLLOWED), **memory}


def beside(ours: Serving, theirs: Serving, key: str) -> dict[str, float]:
    """Both at full load, and each at four fifths of what it bore so far, in turns.

    So far, and not just now: a machine whose speed changes from second to second would else be asked for more than it bears.
    """
    pairs: list[tuple[float, float]] = []
    paced: list[dict[str, float]] = []
    bare_paced: list[dict[str, float]] = []
    with_a_step: list[float] = []
    for _ in range(ROUNDS):
        limit = load(theirs, "/runs", "full", seconds=SECONDS)["per_s"]
        full = load(ours, PATH, "full", key=key, seconds=SECONDS)["per_s"]
        pairs.append((full, limit))
        borne, bare_borne = (median(side) for side in zip(*pairs, strict=True))
        paced.append(load(ours, PATH, "paced", key=key, rate=0.8 * borne, seconds=SECONDS))
        bare_paced.append(load(theirs, "/runs", "paced", rate=0.8 * bare_borne, seconds=SECONDS))
        with_a_step.append(load(ours, PATH, "full", key=key, workflow="ask", seconds=SECONDS)["per_s"])
    return {
        "of_bare": share_of(pairs),
        "p99_ms_at_80_percent": median(one["p99"] for one in paced),
        "p50_ms_at_80_percent": median(one["p50"] for one in paced),
        "bare_p99_ms_at_80_percent": median(one["p99"] for one in bare_paced),
        "started_per_s": median(ours for ours, _ in pairs),
        "started_with_a_step_per_s": median(with_a_step),
        "bare_per_s": median(bare for _, bare in pairs),
        "rounds": ROUNDS,
    }


def grown(ours: Serving, key: str) -> dict[str, float]:
    """The memory of the process behind so many runs, as a multiple of that behind the first ones."""
    load(ours, PATH, "count", key=key, rate=RUNS_EARLY, seconds=600.0)
    early = ours.memory
    load(ours, PATH, "count", key=key, rate=RUNS_LATE - RUNS_EARLY, seconds=600.0)
    late = ours.memory
    return {"runs": RUNS_LATE, "mb_early": early, "mb_late": late, "memory_late_to_early": late / early}
