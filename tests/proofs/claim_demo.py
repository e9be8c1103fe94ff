"""The demo: a run over the machine's own standard library, killed half-way, equals one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.proofs.frame import Figures, proof


@proof("demo", "a run over this machine's standard library, killed half-way with kill -9, ends like one that was not")
def demo() -> Figures:
    return played()


@proof("demo-nats", "the same over a log in JetStream, on a nats-server of its own")
def demo_on_nats() -> Figures:
    return played("--carrier", "nats")


def played(*options: str) -> Figures:
    program = Path(sys.executable).with_name("perdure")
    with tempfile.TemporaryDirectory(prefix="perdure-demo-") as folder:
        command = [str(program), "demo", *options, "--json", "--dir", folder]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    told = json.loads(ran.stdout)
    assert told["log"]["verdict"] == "intact"
    assert told["replay"]["agrees"]
    assert told["indexes_equal"]
    return {
        "seconds": told["seconds"],
        "steps_done_again_though_recorded": told["redone"]["done_again"],
        "distinct_digests": len({told["replay"]["content_digest"], told["clean"]["content_digest"]}),
        "files": told["totals"]["files"],
        "killed_after": told["killed"]["done"],
    }
