"""The whole corpus, every feature a workflow can use: one content digest on every carrier that has it, killed or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.adapters.nats.server import running
from tests.corpus.carriers import CARRIERS, carriers_of, in_nats
from tests.corpus.case import Case, ends_as_it_must
from tests.corpus.cases import CASES
from tests.proofs.claim_1_same import KILLS, SEEDS, digests, really_killed
from tests.proofs.frame import Figures, proof

NATS_SEED = 0
"""One order of each: every life there costs an opening."""
REALLY_KILLED = ("keeps_books", "books_at_last", "few_at_once")


def differing_on_nats(cases: list[Case], folder: Path) -> list[str]:
    """The workflows whose digest on a NATS server, clean or killed nine times, is not that of SQLite, or which end otherwise."""
    (folder / "nats").mkdir()
    differ: list[str] = []
    with running(folder / "nats") as server:
        for case in cases:
            run = case.play(NATS_SEED)
            sqlite = CARRIERS["sqlite"](run, folder / "nats", 0)
            clean, killed = in_nats(server.url, run), in_nats(server.url, run, KILLS)
            alike = clean.content == sqlite.content and (killed.content == sqlite.content or case.shows_kills)
            if not alike or ends_as_it_must(case, clean) or ends_as_it_must(case, killed):
                differ.append(case.name)
    return differ


@proof("corpus", "workflows that use every feature have one content digest on every carrier, and killed nine times still have it")
def every_feature() -> Figures:
    for_nats = [case for case in CASES if not case.is_transactional]
    with tempfile.TemporaryDirectory() as folder:
        found = {case.name: digests(case, Path(folder)) for case in CASES}
        really = [really_killed(case, Path(folder)) for case in CASES if case.name in REALLY_KILLED]
        on_nats = differing_on_nats(for_nats, Path(folder))
    played = {case.name: len(SEEDS) * len(carriers_of(case)) for case in CASES}
    return {
        "workflows": len(found),
        "of_them_with_transactions_only_on_sqlite": len(CASES) - len(for_nats),
        "carriers": len(CARRIERS),
        "seeds": len(SEEDS),
        "workflows_that_differ": sum(differs for differs, _ in found.values()),
        "workflows_on_nats": len(for_nats),
        "workflows_that_differ_on_nats": len(on_nats),
        "kills": min(KILLS, *(kills for _, kills in really)),
        "killed_runs_that_differ": sum(differ for _, differ in found.values()) + sum(differs for differs, _ in really),
        "killed_runs": sum(played.values()) + len(really) + len(for_nats),
        "of_them_by_sigkill": len(really),
        "of_them_told_of_their_kills": sum(played[case.name] for case in CASES if case.shows_kills),
    }
