"""`perdure log rebuild` folds the heads of limits anew, too, so that none waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

import perdure
from perdure import Limit, step, workflow
from perdure.adapters.cli.logs.rebuilding import rebuild
from perdure.adapters.sqlite.open import open_sqlite


@step(limit=Limit("one", concurrency=1))
async def charge() -> str:
    return "charged"


@workflow
async def pays() -> str:
    return await charge()


@pytest.mark.anyio
async def test_the_heads_of_limits_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    async with perdure.open(f"sqlite:///{path}", workflows=[pays]) as runtime:
        await (await runtime.start(pays, id="r")).result()
    async with open_sqlite(path) as carrier:
        before = sorted(await carrier.heads.all(), key=lambda summary: summary.stream)
    assert [summary.stream for summary in before] == ["limit/default/one", "run/default/r"]

    await rebuild(path)

    async with open_sqlite(path) as carrier:
        assert sorted(await carrier.heads.all(), key=lambda summary: summary.stream) == before
