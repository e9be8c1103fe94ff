"""Claim nats-conformance: the suites that every carrier passes, on one nats-server and on three that replicate."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from tests import machine
from tests.eventlog.conftest import EVERY
from tests.proofs.frame import Figures, proof


@proof("nats-conformance", "every conformance suite of logs, heads, snapshots and blobs passes on one server and on three")
def conformance() -> Figures:
    with tempfile.TemporaryDirectory() as room:
        report = Path(room) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "tests/eventlog", "-k", "nats", f"--junitxml={report}"]
        around = os.environ | {EVERY: "1", "TMPDIR": tempfile.gettempdir()}  # on the disk: see tests/conftest.py
        subprocess.run(command, cwd=machine.ROOT, env=around, check=False, stdout=subprocess.DEVNULL)
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - what the tests themselves wrote a moment ago
    on_three = [case for case in cases if re.search(r"[\[-]nats_on_three[\]-]", case.get("name", ""))]
    return {
        "tests_on_one": len(cases) - len(on_three),
        "tests_on_three": len(on_three),
        "not_passed": sum(any(part.tag in {"failure", "error", "skipped"} for part in case) for case in cases),
    }
