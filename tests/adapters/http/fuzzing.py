"""Schemathesis over the OpenAPI page: thousands of requests that fit it, and that do not, to a real `perdure serve`.

Half of the names of runs, workflows, signals and the like are those of things that exist, so that requests come through to them.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import perdure
from perdure.adapters.rag.ingesting import Given, ingest_given
from perdure.adapters.rag.places import known, place_of
from tests.adapters.http.processes import ENVIRONMENT, Serving
from tests.adapters.http.shop import asks, fails, hello, order

PROGRAM = Path(sysconfig.get_path("scripts")) / "schemathesis"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance", "missing_required_header", "ignored_auth",
)  # fmt: skip

KNOWN = {
    "runs": ["parked-1", "parked-2", "parked-3", "asking", "done", "broken"],
    "names": ["address", "add", "notes", "ship", "notes/report.txt", "greeting"],
    "workflows": ["order", "asks", "hello", "fails"],
    "collections": ["handbook", "notes"],
    "sources": ["pay.md", "ship.md"],
}
BOUND = {
    "path.run_id": "runs", "path.name": "names", "path.definition_name": "names", "body.run": "runs", "body.workflow": "workflows",
    "query.workflow": "workflows", "body.name": "names", "body.signal": "names", "body.definition": "names",
    "path.collection": "collections", "query.source": "sources",
}  # fmt: skip

DEFINITION = "name: greeting\nsteps:\n  - id: say\n    type: log\n    config: {message: hello}\n"

SLOWEST = 2.0
"""Seconds for an answer that waits for nothing."""

WAITS = 60.0
"""Seconds that a request may wait for what it asks of a run, at most."""


class Fuzzed(Struct):
    """What came of it."""

    cases: int = 0
    operations: set[str] = msgspec.field(default_factory=set[str])
    failures: list[str] = []
    statuses: Counter[int] = msgspec.field(default_factory=Counter[int])
    server_errors: int = 0
    hanging: list[str] = []
    slowest: float = 0.0


async def furnish(log: str) -> None:
    """What requests are about, in a log that nobody holds: runs in every state, and a definition."""
    async with perdure.open(log, workflows=[order, asks, hello, fails]) as runtime:
        for name in ("parked-1", "parked-2", "parked-3"):
            await runtime.start(order, 7, id=name)
        await runtime.start(asks, id="asking")
        await runtime.start(hello, "Ann", id="done")
        await runtime.start(fails, id="broken")
        await runtime.apply_definition(DEFINITION)
    given = [Given(name, b"# Paying\n\nInvoices are paid within 30 days.", ".md") for name in KNOWN["sources"]]
    for name in KNOWN["collections"]:
        ingest_given(known(place_of(log, {}), "documents"), "default", name, given, embedding="hashing")


def fuzz(service: Serving, key: str, folder: Path, *, examples: int, seed: int, seconds: float = 3600.0) -> Fuzzed:
    """Every operation is sent so many cases at least, by this seed."""
    (folder / "schemathesis.toml").write_text(settings(), encoding="utf-8")
    report = folder / "report.ndjson"
    command = [
        str(PROGRAM), "run", f"{service.url}/api/v1/openapi.json", "--header", f"X-API-KEY: {key}", "--checks", ",".join(CHECKS),
        "--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none", "--continue-on-failure", "--no-shrink",
        "--no-color", "--request-timeout", "70", "--suppress-health-check", "all", "--generation-with-security-parameters", "false",
        "--report", "ndjson", "--report-ndjson-path", str(report),
    ]  # fmt: skip
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=seconds)
    assert report.exists(), told.stdout + told.stderr
    found = Fuzzed()
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            _take(found, json.loads(line))
    return found


def settings() -> str:
    """The names that exist, and where they stand."""
    known = [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in KNOWN.items()]
    bound = [f'"{place}" = {{ dictionary = "{name}", probability = 0.6 }}' for place, name in BOUND.items()]
    return "\n".join([*known, "[parameters]", *bound, ""])


def _take(found: Fuzzed, event: dict[str, Any]) -> None:
    """What an event of the report says."""
    recorder: dict[str, Any] = event.get("ScenarioFinished", {}).get("recorder", {})
    for name, one in recorder.get("interactions", {}).items():
        found.cases += 1
        found.operations.add(recorder["label"])
        response: dict[str, Any] | None = one["response"]
        asked = f"{one['request']['method']} {one['request']['uri']}"
        if response is None:
            found.hanging.append(f"{asked}: no answer")
            continue
        status, seconds = response["status_code"], response["elapsed"]
        found.statuses[status] += 1
        found.server_errors += status >= 500
        found.slowest = max(found.slowest, seconds)
        if seconds > SLOWEST + _waits(one["request"]["uri"]):
            found.hanging.append(f"{asked}: {seconds:.1f} s")
        for check in recorder["checks"].get(name, ()):
            if check["status"] == "failure":
                found.failures.append(f"{asked}: {status}: {'; '.join(_why(check))}")


def _why(check: dict[str, Any]) -> Iterator[str]:
    yield check["name"]
    yield json.dumps(check.get("failure_info"))[:400]


def _waits(uri: str) -> float:
    """How long a request may wait for something that lasts."""
    return WAITS if any(part in uri for part in ("/result", "/update/", "/query/", "/pause", "within=", "wait=")) else 0.0
