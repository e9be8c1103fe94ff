"""A run whose log was changed behind its back: the list says so, to whoever reads the file, until the file is as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

import perdure
from perdure import Corrupt
from perdure.adapters.cli.shared.loading import load_workflows
from perdure.runtime.engine import Runtime
from tests.adapters.cli.calling import Here

PATIENCE = 10.0


def change(path: Path, old: bytes, new: bytes) -> None:
    """Change the first record of the run."""
    with closing(sqlite3.connect(path)) as db:
        (data,) = db.execute("select data from record where stream = 'run/default/w' order by first").fetchone()
        assert old in data
        db.execute("update record set data = ? where stream = 'run/default/w' and first = 1", (data.replace(old, new),))
        db.commit()


def serve(path: Path, holds: Callable[[dict[str, str]], bool], *, start: bool = False, broken: bool = False) -> None:
    """Serve the log until the list of runs is as it is to be."""

    async def until(runtime: Runtime) -> None:
        with anyio.fail_after(PATIENCE):
            while not holds({line.run: line.status for line in (await runtime.runs()).runs}):  # noqa: ASYNC110 - what is waited for has no event
                await anyio.sleep(0.01)

    async def main() -> None:
        known = {flow.name: flow for flow in load_workflows("flows.py")}
        async with perdure.open(f"sqlite:///{path}", workflows=known.values()) as runtime:
            if start:
                await runtime.start(known["waits"], id="w")
            if broken:
                with pytest.raises(Corrupt):
                    await runtime.run("w").status()
            await until(runtime)

    anyio.run(main)


def test_a_run_whose_record_was_changed_is_listed_as_quarantined_until_it_is_put_back(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "perdure")
    path = here.folder.log
    serve(path, lambda runs: runs == {"w": "running"}, start=True)
    change(path, b'"seed"', b'"need"')
    serve(path, lambda runs: runs == {"w": "quarantined"}, broken=True)

    assert [line["status"] for line in here("runs", "--json").json] == ["quarantined"]
    assert [line["run"] for line in here("runs", "--dead", "--json").json] == ["w"]
    assert [line["run"] for line in here("runs", "--status", "quarantined", "--json").json] == ["w"]
    assert here("runs", "--status", "running", "--json").json == []
    assert here("show", "w").code == 9

    change(path, b'"need"', b'"seed"')
    serve(path, lambda runs: runs == {"w": "running"})
    assert here("runs", "--dead", "--json").json == []
