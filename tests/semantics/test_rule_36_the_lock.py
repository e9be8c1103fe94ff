"""Rule 36: an append counts only behind the very record that its writer saw: version and digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Log
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Tail, sealed

STREAM = "run/default/r"


async def is_locked(log: Log) -> None:
    """Of two that saw the same tail one counts; the same version with another content is another tail."""
    first = sealed(STREAM, EMPTY, b'{"first":1}', 2)
    rival = sealed(STREAM, EMPTY, b'{"rival":1}', 2)
    (taken,) = await log.append([first])
    answers = [
        *await log.append([rival]),
        *await log.append([sealed(STREAM, rival.tail, b"{}", 1)]),
        *await log.append([sealed(STREAM, Tail(1, first.tail.digest), b"{}", 1)]),
    ]

    assert taken == first.tail
    assert [type(answer) for answer in answers] == [Conflict] * 3
    assert await log.append([sealed(STREAM, first.tail, b"{}", 1)]) == [sealed(STREAM, first.tail, b"{}", 1).tail]
    assert [record.data async for record in log.read(STREAM)] == [b'{"first":1}', b"{}"]


@pytest.mark.anyio
async def test_in_memory() -> None:
    await is_locked(MemoryLog())


@pytest.mark.anyio
async def test_in_a_file(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        await is_locked(carrier.log)
