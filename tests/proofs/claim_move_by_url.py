"""Claim move-by-url: one program, unchanged below the line that opens, says the same wherever its runs live."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.adapters.http.processes import ENVIRONMENT, SCRIPT, made_key, serving
from tests.adapters.nats.server import running
from tests.house import tree
from tests.proofs.frame import Figures, proof

PROGRAM = tree.ROOT / "tests" / "adapters" / "http" / "program.py"


@proof("move-by-url", "one program of 100 lines says the same embedded, over NATS to a worker, and over HTTP to a service")
def one_program() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        embedded = told("memory:")
        log = f"sqlite:///{folder}/shop.db"
        key = made_key(log, "starter", "operator")
        with serving(log, str(PROGRAM)) as service:
            over_http = told(service.url, key)
        with running(Path(folder)) as server, working(f"{server.url}/{uuid4().hex}") as namespace:
            over_nats = told(namespace)
    return {
        "lines_of_the_program": len(PROGRAM.read_text(encoding="utf-8").splitlines()),
        "lines_that_it_says": len(embedded),
        "places": 3,
        "lines_that_differ": sum(len({*said}) > 1 for said in zip(embedded, over_http, over_nats, strict=True)),
    }


def told(url: str, key: str = "") -> list[str]:
    """What the program prints."""
    command = [sys.executable, "-W", "error", str(PROGRAM), url]
    environment = {**os.environ, "PERDURE_API_KEY": key}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    return said.stdout.splitlines()


@contextmanager
def working(namespace: str) -> Generator[str]:
    """A worker of the namespace."""
    command = [str(SCRIPT), "worker", str(PROGRAM), "--log", namespace, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield namespace
        finally:
            process.terminate()
