"""Claim cluster: what `make cluster` plays, with its count of what was lost."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.proofs.frame import Figures, proof


@proof("cluster", "three servers and three workers under load: a worker is killed, then the leading server, and nothing is lost or doubled")
def cluster() -> Figures:
    program = Path(sys.executable).with_name("perdure")
    with tempfile.TemporaryDirectory(prefix="perdure-cluster-") as folder:
        ran = subprocess.run([program, "cluster", "--json", "--dir", folder], capture_output=True, text=True, check=True, timeout=200)
    told = json.loads(ran.stdout)
    return {"seconds": told["seconds"], **told["held"], **told["blows"]}
