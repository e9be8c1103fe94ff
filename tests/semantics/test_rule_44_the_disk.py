"""Rule 44: a full disk refuses writes and heals; after a failed sync nothing is written any more, and the process goes on."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure import Unavailable, workflow
from tests.laws.node import PATIENCE

BLOCK = "x" * 500_000


@workflow
async def waits(word: str) -> str:
    return await perdure.signal("go", str)


def writing(runtime: perdure.Runtime) -> Any:
    """The writer of the file, and the hop to its thread."""
    log: Any = runtime.carrier.log
    return log


@pytest.mark.anyio
async def test_a_full_disk_refuses_and_heals(tmp_path: Path) -> None:
    async with perdure.open(f"sqlite:///{tmp_path / 'log.db'}", workflows=[waits]) as runtime:
        small = await runtime.start(waits, "small", id="small")
        log = writing(runtime)

        def limit(pages: int) -> None:
            db: sqlite3.Connection = log.writer._db
            db.execute(f"pragma max_page_count = {pages or db.execute('pragma page_count').fetchone()[0] + 2}")

        await log.writing.run(lambda: limit(0))
        with pytest.raises(Unavailable, match="disk is full"):
            await runtime.start(waits, BLOCK, id="large")
        await log.writing.run(lambda: limit(1_000_000))
        await runtime.start(waits, BLOCK, id="large")
        await small.signal("go", "on")

        assert await small.result(within=PATIENCE) == "on"


@pytest.mark.anyio
async def test_a_failed_sync_shuts_the_log_for_the_life_of_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with perdure.open(url, workflows=[waits]) as runtime:
        run = await runtime.start(waits, "a", id="r")
        log = writing(runtime)

        def fail_to_sync() -> None:
            anchor = log.writer._anchor
            anchor._sync_at = 0.0
            file, (pipe, end) = os.dup(anchor._file), os.pipe()
            os.dup2(pipe, anchor._file)  # a pipe cannot be synced: fsync fails for real
            log.writer.idle()
            os.dup2(file, anchor._file)
            for descriptor in (file, pipe, end):
                os.close(descriptor)

        await log.writing.run(fail_to_sync)
        for _ in range(2):
            with pytest.raises(Unavailable, match="shut after a failed write"):
                await run.signal("go", "on")
    async with perdure.open(url, workflows=[waits]) as runtime:
        await runtime.run("r").signal("go", "on")

        assert await runtime.run("r").result(within=PATIENCE) == "on"
