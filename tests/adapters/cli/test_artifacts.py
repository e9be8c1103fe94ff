"""`perdure artifacts`, and large values where the command line shows or replays a run."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from tests.adapters.cli.calling import Here

STORING = """
import perdure
from perdure import current, step, workflow


@step
async def write() -> str:
    async with current().artifact("report.csv") as out:
        for number in range(1000):
            await out.write(b"%d,%d\\n" % (number, number * number))
    return "x" * 200_000


@workflow
async def storing() -> int:
    return len(await write())
"""
REPORT = b"".join(b"%d,%d\n" % (number, number * number) for number in range(1000))


@pytest.fixture
def stored(here: Here) -> Here:
    (here.folder.path / "storing.py").write_text(STORING, encoding="utf-8")
    assert here("run", "storing.py:storing", "--id", "r").code == 0
    return here


def test_artifacts_are_listed_and_their_content_goes_to_stdout(stored: Here) -> None:
    listed, content = stored("artifacts", "r", "--json"), stored.folder.call("artifacts", "r", "report.csv")
    unknown = stored("artifacts", "r", "report.txt", "--json")

    assert listed.json == [{"name": "report.csv", "size": len(REPORT), "digest": sha256(REPORT).hexdigest()}]
    assert (content.code, content.out.encode()) == (0, REPORT)
    assert "report.csv" in stored("artifacts", "r").out
    assert (unknown.code, unknown.error["expected"], unknown.error["found"]) == (4, "report.csv", "report.txt")


def test_a_run_with_large_values_is_shown_by_their_size_and_replayed_from_its_blobs(stored: Here) -> None:
    shown, replayed = stored("show", "r"), stored("replay", "r", "storing.py", "--json")
    verified = stored("log", "verify", "--json")

    assert "<200,002 bytes>" in shown.out
    assert json.loads(replayed.out)["agrees"] is True
    assert (verified.code, verified.json["blobs"]) == (0, 2)
