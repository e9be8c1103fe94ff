"""Claim http-fuzz: what Schemathesis makes of the OpenAPI page, sent to a real `perdure serve`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import anyio

from tests.adapters.http.fuzzing import furnish, fuzz
from tests.adapters.http.processes import made_key, serving
from tests.proofs.frame import Figures, proof

SEED = 1
EXAMPLES = 80
"""Of each operation, beside those that cover its schema: more than ten thousand cases in all."""


@proof("http-fuzz", "cases of Schemathesis over the OpenAPI page: no answer of 5xx, none too late, none that the page does not list")
def the_page_is_what_is_served() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        log = f"sqlite:///{folder}/shop.db"
        key = made_key(log, "admin")
        anyio.run(furnish, log)
        with serving(log, errors=subprocess.DEVNULL) as service:
            found = fuzz(service, key, Path(folder), examples=EXAMPLES, seed=SEED)
            died = not service.lives
    for line in (*found.hanging, *found.failures):
        print(line)
    return {
        "operations": len(found.operations),
        "cases": found.cases,
        "answered_well": sum(count for status, count in found.statuses.items() if 200 <= status < 300),
        "answers_unlisted_or_unlike_the_page": len(found.failures),
        "server_errors": found.server_errors,
        "answers_too_late": len(found.hanging),
        "slowest_seconds": found.slowest,
        "processes_that_died": died,
    }
