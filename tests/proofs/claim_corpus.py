"""The whole corpus, every feature a workflow can use: one content digest on every carrier, killed or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.adapters.nats.server import running
from tests.corpus.carriers import CARRIERS, in_nats
from tests.corpus.case import ends_as_it_must
from tests.corpus.cases import CASES
from tests.proofs.claim_1_same import KILLS, SEEDS, digests
from tests.proofs.frame import Figures, proof

NATS_SEED, NATS_KILLS = 0, 3


def differing_on_nats(folder: Path) -> list[str]:
    """The workflows whose digest on a NATS server, clean or killed, is not that of SQLite, or which end otherwise."""
    (folder / "nats").mkdir()
    differ: list[str] = []
    with running(folder / "nats") as server:
        for case in CASES:
            run = case.play(NATS_SEED)
            sqlite = CARRIERS["sqlite"](run, folder / "nats", 0)
            clean, killed = in_nats(server.url, run), in_nats(server.url, run, NATS_KILLS)
            alike = clean.content == sqlite.content and (killed.content == sqlite.content or case.shows_kills)
            if not alike or ends_as_it_must(case, clean) or ends_as_it_must(case, killed):
                differ.append(case.name)
    return differ


@proof("corpus", "workflows that use every feature have one content digest on every carrier, and killed nine times still have it")
def every_feature() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        found = {case.name: digests(case, Path(folder)) for case in CASES}
        on_nats = differing_on_nats(Path(folder))
    return {
        "workflows": len(found),
        "carriers": len(CARRIERS),
        "seeds": len(SEEDS),
        "workflows_that_differ": sum(differs for differs, _ in found.values()),
        "workflows_that_differ_on_nats": len(on_nats),
        "kills": KILLS,
        "killed_runs_that_differ": sum(differ for _, differ in found.values()),
        "killed_runs": len(found) * len(SEEDS) * len(CARRIERS),
        "of_them_told_of_their_kills": sum(case.shows_kills for case in CASES) * len(SEEDS) * len(CARRIERS),
    }
