"""Rule 38: a head is a rebuildable index that changes only when what it says does; an anchor is evidence, kept apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import perdure
from perdure import Conflict, Corrupt, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail
from tests.laws.node import PATIENCE, named, node, until


@step
async def double(n: int) -> int:
    return 2 * n


@workflow
async def counts() -> int:
    total = 1
    for _ in range(5):
        total = await double(total)
    return total + await perdure.signal("more", int)


class Watched(MemoryLog):
    """Notes which appends brought a head."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[bool] = []

    def append_one(self, append: Append) -> Tail | Conflict:
        self.heads.append(append.head is not None)
        return super().append_one(append)


@pytest.mark.anyio
async def test_a_head_is_written_only_when_it_changes() -> None:
    log = Watched()
    async with node(log.carrier(), counts) as runtime:
        run = await runtime.start(counts, id="r")
        await until(lambda: named(log, "r").count("StepCompleted") == 5)
        await run.signal("more", 1)
        await run.result(within=PATIENCE)

    assert log.heads == [True, False, False, False, False, True, True]


@pytest.mark.anyio
async def test_a_file_put_back_behind_its_anchor_is_found(tmp_path: Path) -> None:
    path, older = tmp_path / "log.db", tmp_path / "older.db"
    async with perdure.open(f"sqlite:///{path}", workflows=[counts]) as runtime:
        await runtime.start(counts, id="a")
    shutil.copy(path, older)
    async with perdure.open(f"sqlite:///{path}", workflows=[counts]) as runtime:
        await runtime.start(counts, id="b")
    assert (tmp_path / "log.db-anchor").exists()
    shutil.copy(older, path)

    with pytest.raises(Corrupt, match="anchor"):
        async with perdure.open(f"sqlite:///{path}", workflows=[counts]):
            pass
