"""Rule 38: an answer carries version and digest of the newest record of its run; kept, they betray a log that was put back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import perdure
from perdure import Invalid, workflow
from perdure.adapters.cli.logs.verifying import verify_log
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.receipts import read_receipt
from perdure.runtime.requests import LookAtRun, PauseRun, SignalRun, StartRun
from tests.laws.node import node, stream

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""As the command line is."""


@workflow
async def listens() -> str:
    return await perdure.signal("word", str)


@pytest.mark.anyio
async def test_an_answer_names_the_record_that_holds_what_it_answers() -> None:
    log = MemoryLog()
    asked = StartRun(workflow="listens", run="r"), PauseRun(run="r"), SignalRun(run="r", name="other", command="a/1"), LookAtRun(run="r")
    async with node(log.carrier(), listens) as runtime:
        for request in asked:
            answer = await runtime.do(request)
            newest = log.streams[stream("r")][-1]

            assert answer.version <= newest.last
            assert answer.receipt == f"run/default/r:{newest.last}:{newest.digest.hex()}"
        await runtime.run("r").terminate()
        ended = (await runtime.run("r").look()).receipt
    assert read_receipt(ended)[1].digest == log.streams[stream("r")][-1].digest


@ON_ASYNCIO
@pytest.mark.anyio
async def test_a_log_put_back_with_its_anchor_is_found_by_a_receipt(tmp_path: Path) -> None:
    now, before = tmp_path / "now", tmp_path / "before"
    now.mkdir()
    url, log = f"sqlite:///{now / 'log.db'}", str(now / "log.db")
    async with perdure.open(url, workflows=[listens]) as runtime:
        early = (await (await runtime.start(listens, id="r")).look()).receipt
    shutil.copytree(now, before)
    async with perdure.open(url, workflows=[listens]) as runtime:
        await runtime.run("r").signal("other")
        late = (await runtime.run("r").look()).receipt
    assert (await verify_log(log, [early, late])).verdict == "intact"
    shutil.rmtree(now)
    shutil.copytree(before, now)

    assert (await verify_log(log)).verdict == "intact", "nothing that lies beside the log can tell"
    assert (await verify_log(log, [early])).verdict == "intact"
    report = await verify_log(log, [early, late])
    assert [(finding.stream, report.verdict) for finding in report.findings] == [("run/default/r", "damaged")]


@ON_ASYNCIO
@pytest.mark.anyio
async def test_a_receipt_for_a_run_that_is_not_there_is_a_finding_and_what_is_none_is_invalid(tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path / 'log.db'}", workflows=[listens]) as runtime:
        await runtime.start(listens, id="r")
    report = await verify_log(str(tmp_path / "log.db"), [f"run/default/gone:3:{'0' * 64}"])

    assert report.verdict == "damaged"
    with pytest.raises(Invalid, match="no receipt"):
        await verify_log(str(tmp_path / "log.db"), ["r:3"])
