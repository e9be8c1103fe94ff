"""The log is the only truth. Heads, snapshots, lists and digests are folds of it and can be dropped and rebuilt."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

import perdure
from perdure import step, workflow
from perdure.adapters.cli.logs.rebuilding import Folded, fold, rebuild
from perdure.adapters.deciding_by_facts import PerformsNothing
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.log import Carrier, Summary
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import state_digest
from tests.laws.node import PATIENCE, node, stream, until

pytestmark = pytest.mark.anyio


@step
async def double(n: int) -> int:
    return 2 * n


@step
async def refuse() -> None:
    raise ValueError("no")


@workflow
async def long(n: int) -> int:
    """Enough events for a snapshot, then a wait in which the run is passivated."""
    total = 0
    for number in range(n):
        total += await double(number)
    perdure.attributes(total=total)
    return total + await perdure.signal("more", int)


@workflow
async def napping() -> None:
    await perdure.sleep(timedelta(hours=1))


@workflow
async def failing() -> None:
    await refuse()


async def filled(carrier: Carrier) -> None:
    """Runs that ended well, failed, were terminated, sleep and wait."""
    async with node(carrier, long, napping, failing) as runtime:
        done = await runtime.start(long, 3, id="done")
        await done.signal("more", 1)
        await done.result(within=PATIENCE)
        await runtime.start(long, 60, id="waiting")
        await until(lambda: "total" in runtime.dispatcher.peek(stream("waiting")).facts.attributes)
        await runtime.start(napping, id="asleep")
        await (await runtime.start(napping, id="ended")).terminate("enough")
        with pytest.raises(perdure.RunError):
            await (await runtime.start(failing, id="failed")).result(within=PATIENCE)


async def digests(carrier: Carrier) -> dict[str, str]:
    """The state of each run as a runtime sees it that has just opened the log, and that of a fold from zero, which must be one."""
    found: dict[str, str] = {}
    async with node(carrier, long, napping, failing) as runtime:
        for id in ("done", "waiting", "asleep", "ended", "failed"):
            await runtime.run(id).look()
            folded = await replay(carrier.log, stream(id))
            seen = runtime.dispatcher.peek(stream(id))
            assert seen is None or state_digest(seen.facts) == folded.state_digest
            found[id] = folded.state_digest
    return found


async def test_every_head_that_was_dropped_is_folded_again_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "law.db"
    async with open_sqlite(path) as carrier:
        await filled(carrier)
        before = await carrier.heads.all()
        await carrier.heads.rebuild([])
        assert await carrier.heads.all() == []
    rebuilt = await rebuild(path)
    async with open_sqlite(path) as carrier:
        after = await carrier.heads.all()

    assert rebuilt.heads == len(before) == 5
    assert after == before


async def test_heads_in_memory_are_the_fold_of_the_records() -> None:
    log = MemoryLog()
    await filled(log.carrier())
    runs = Runs(Registry(()), PerformsNothing())
    folded: dict[str, Folded] = {}
    for record in log.records:
        fold(runs, folded.setdefault(record.stream, Folded(runs.initial(record.stream))), record)

    assert {name: Summary(name, of.written, of.head) for name, of in folded.items() if of.head is not None} == log.summaries


async def test_a_run_is_the_same_with_its_snapshot_and_without() -> None:
    log = MemoryLog()
    await filled(log.carrier())
    assert stream("waiting") in log.snapshots
    kept = await digests(log.carrier(2))
    log.snapshots.clear()

    assert await digests(log.carrier(3)) == kept


async def test_snapshots_taken_out_of_a_file_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "law.db"
    async with open_sqlite(path) as carrier:
        await filled(carrier)
        kept = await digests(carrier)
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute("DELETE FROM snapshot").rowcount >= 1
    async with open_sqlite(path) as carrier:
        assert await digests(carrier) == kept

        async with node(carrier, long) as runtime:
            await runtime.run("waiting").signal("more", 1)
            assert await runtime.run("waiting").result(within=PATIENCE) == 60 * 59 + 1
