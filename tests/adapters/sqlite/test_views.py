"""Views list what is there, while another process holds the file; they run on asyncio alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.adapters.sqlite.open import open_sqlite
from perdure.adapters.sqlite.views import open_views
from perdure.eventlog.errors import Corrupt, NotFound
from perdure.eventlog.records import EMPTY, sealed
from tests.adapters.sqlite.holding import another_process, change, files, made
from tests.eventlog.making import STREAM, accepted, content, head

pytestmark = pytest.mark.asyncio


async def test_the_newest_runs_come_first_page_by_page(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "log.db") as carrier:
        started = {"workflow/a/1": 30, "workflow/a/2": 10, "workflow/b/3": 30, "workflow/b/4": 20, "schedule/a/5": 40}
        status = {"workflow/a/2": "done", "workflow/b/3": "done"}
        heads = [sealed(s, EMPTY, content(1), 1, head(status.get(s, "running"), started_at=at)) for s, at in started.items()]
        await accepted(carrier.log, heads)
        async with open_views(tmp_path / "log.db") as views:
            first = await views.newest(prefix="workflow/", limit=2)
            rest = await views.newest(prefix="workflow/", after=(first[-1].head.started_at, first[-1].stream))
            done = await views.newest(status="done")

    assert [summary.stream for summary in first] == ["workflow/b/3", "workflow/a/1"]
    assert [summary.stream for summary in rest] == ["workflow/b/4", "workflow/a/2"]
    assert [summary.stream for summary in done] == ["workflow/b/3", "workflow/a/2"]


async def test_views_work_beside_the_process_that_holds_the_log(tmp_path: Path) -> None:
    with another_process(tmp_path / "log.db", appends=4):
        async with open_views(tmp_path / "log.db") as views:
            records = await views.records(STREAM)

            assert await views.head(STREAM) is None
            assert await views.records("workflow/default/unknown") == []

    assert [record.first for record in records] == [1, 2, 3, 4]


async def test_a_damaged_stream_is_not_shown_as_if_it_were_whole(tmp_path: Path) -> None:
    await made(tmp_path / "log.db")
    change(tmp_path / "log.db", "update record set data = x'00' where first = 2")

    async with open_views(tmp_path / "log.db") as views:
        with pytest.raises(Corrupt, match="version 2"):
            await views.records(STREAM)


async def test_a_log_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="start a run first"):
        async with open_views(tmp_path / "log.db"):
            pass

    assert files(tmp_path) == []
