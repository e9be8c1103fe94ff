"""`perdure artifacts`, and large values where the command line shows or replays a run."""

from __future__ import annotations

import json
from hashlib import sha256

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

import perdure
from perdure import ArtifactSettings, Settings
from perdure.adapters.sqlite.open import open_sqlite
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

    assert listed.json == [{"name": "report.csv", "size": len(REPORT), "digest": sha256(REPORT).hexdigest(), "gone": None}]
    assert (content.code, content.out.encode()) == (0, REPORT)
    assert "report.csv" in stored("artifacts", "r").out
    assert (unknown.code, unknown.error["expected"], unknown.error["found"]) == (4, "report.csv", "report.txt")


AT_ONCE = Settings(artifacts=ArtifactSettings(retention_days=0, interval_seconds=1e9))


def test_a_run_from_before_retention_is_released_once_its_head_is_written_anew_and_what_is_gone_says_so(stored: Here) -> None:
    async def forget() -> None:
        """Make the head what it was under a release that knew nothing of retention."""
        async with open_sqlite(stored.folder.log) as carrier:
            [summary] = await carrier.heads.all()
            await carrier.heads.rebuild([replace(summary, head=replace(summary.head, attributes=b"{}"))])

    async def look() -> None:
        async with perdure.open(f"sqlite:///{stored.folder.log}", workflows=[], settings=AT_ONCE) as runtime:
            await runtime.retaining.look()
            while await runtime.carrier.heads.due(0):
                await checkpoint()

    anyio.run(forget)
    anyio.run(look)
    assert stored("artifacts", "r", "--json").json[0]["gone"] is None
    assert stored("log", "rebuild").code == 0
    anyio.run(look)

    gone = str(stored("artifacts", "r", "--json").json[0]["gone"])
    assert f"gone since {gone[:10]}" in stored("artifacts", "r").out
    read = stored("artifacts", "r", "report.csv", "--json")
    assert (read.code, read.error["message"], read.error["who"]) == (4, "the artifact is kept no longer", "run 'r'")
    assert stored("log", "verify", "--json").json["blobs"] == 1


def test_a_run_with_large_values_is_shown_by_their_size_and_replayed_from_its_blobs(stored: Here) -> None:
    shown, replayed = stored("show", "r"), stored("replay", "r", "storing.py", "--json")
    verified = stored("log", "verify", "--json")

    assert "<200,002 bytes>" in shown.out
    assert json.loads(replayed.out)["agrees"] is True
    assert (verified.code, verified.json["blobs"]) == (0, 2)
