"""The whole corpus, every feature a workflow can use: one content digest on every carrier, killed or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.corpus.carriers import CARRIERS
from tests.corpus.cases import CASES
from tests.proofs.claim_1_same import KILLS, SEEDS, digests
from tests.proofs.frame import Figures, proof


@proof("corpus", "workflows that use every feature have one content digest on every carrier, and killed nine times still have it")
def every_feature() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        found = {case.name: digests(case, Path(folder)) for case in CASES}
    return {
        "workflows": len(found),
        "carriers": len(CARRIERS),
        "seeds": len(SEEDS),
        "workflows_that_differ": sum(differs for differs, _ in found.values()),
        "kills": KILLS,
        "killed_runs_that_differ": sum(differ for _, differ in found.values()),
        "killed_runs": len(found) * len(SEEDS) * len(CARRIERS),
        "of_them_told_of_their_kills": sum(case.shows_kills for case in CASES) * len(SEEDS) * len(CARRIERS),
    }
