"""The demo of the service, as `make demo-service` plays it: a question goes through HTTP, to a person, and out as a signed webhook."""

from __future__ import annotations

import json
import subprocess
import tempfile

from tests.house import tree
from tests.proofs.frame import Figures, proof


@proof("demo-service", "a question about real documents is looked up, answered, approved and told by a signed webhook, all through HTTP")
def demo_service() -> Figures:
    with tempfile.TemporaryDirectory(prefix="perdure-demo-service-") as folder:
        command = ["make", "--silent", "demo-service", f"ARGS=--json --dir {folder}"]
        ran = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=True, timeout=300)
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    assert told["events"]["ApprovalRequested"] == told["events"]["RunCompleted"] == told["events"]["Logged"] == 1
    assert told["approved"]["answer"] == told["result"]["answer"]
    assert told["result"]["webhook"] == told["webhook"]
    return {
        "seconds": told["seconds"],
        "documents": told["documents"],
        "passages": told["passages"],
        "events_as_server_sent_events": sum(told["events"].values()),
        "approvals_by_http": told["events"]["ApprovalDecided"],
        "webhooks_with_a_signature_that_holds": int(told["verified"]),
        "runs_that_differ_when_driven_again": int(not told["replayed"]),
    }
