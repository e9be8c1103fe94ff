"""Transactional steps under kill -9: `LD_PRELOAD=shim python -m tests.semantics.moving SEED COUNT` kills at so many points, each in a fork.

Prints one line of JSON for each: where it hit, and what was left behind.
"""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import get_args

import anyio
import msgspec
from msgspec import Struct

import perdure
from perdure.adapters.sqlite import schema
from perdure.adapters.sqlite.verify import records, verify_file
from perdure.runtime.run.events import CODEC, StepCompleted
from tests.crash.server import PLACE, forked
from tests.crash.shim import Kill, When, arm, kinds_so_far

MOVES = 3
SECOND = timedelta(seconds=1)


class Left(Struct, frozen=True):
    """What one history left: after its kill, and after the start behind it."""

    kill: Kill
    was_killed: bool
    rows: list[int]
    kept: int
    recorded: int
    """After the kill: the moves whose row was there, the outcomes that were kept, and those that were recorded."""
    rows_at_last: list[int]
    total: int
    damage: list[str]


@perdure.step(transactional=True, timeout=SECOND)
def move(db: sqlite3.Connection, number: int) -> int:
    db.execute("create table if not exists moved (number integer)")
    db.execute("insert into moved values (?)", (number,))
    return int(db.execute("select count(*) from moved").fetchone()[0])


@perdure.workflow
async def moves(count: int) -> int:
    total = 0
    for number in range(count):
        total = await move(number)
    return total


def play(log: Path, kill: Kill, found: Path) -> None:
    """In a child: begin or go on, unless the shim ends it."""

    async def main() -> int:
        async with perdure.open(f"sqlite:///{log}", workflows=[moves]) as runtime:
            arm(log.parent, log.parent.parent / "kill", kill)
            run = await runtime.start(moves, MOVES, id="m")
            return await run.result(within=timedelta(seconds=20))

    found.write_text(str(anyio.run(main)))
    (log.parent.parent / "kinds").write_text(kinds_so_far())


def rows_of(log: Path) -> tuple[list[int], int, int]:
    """(the moves that are there, outcomes kept, outcomes recorded)."""
    with closing(schema.connect_reader(log)) as db:
        made = db.execute("select 1 from sqlite_master where name = 'moved'").fetchone()
        rows = [number for (number,) in db.execute("select number from moved order by rowid")] if made else []
        kept = int(db.execute("select count(*) from outcome").fetchone()[0])
        found = list(records(db))
    return rows, kept, sum(isinstance(event, StepCompleted) for record in found for event in CODEC.decode(record.data).events)


def history(kill: Kill) -> Left:
    with TemporaryDirectory(prefix="perdure-moving-", dir=PLACE) as name:
        work = Path(name)
        log, found = work / "log" / "shop.db", work / "found"
        log.parent.mkdir()
        ended = forked(partial(play, log, kill, found))
        rows, kept, recorded = rows_of(log)
        if forked(partial(play, log, Kill(), found)) != 0:
            raise RuntimeError(f"the start after {kill} failed")
        report = verify_file(log)
        damage = [finding.what for finding in report.findings]
        return Left(kill, ended == -signal.SIGKILL, rows, kept, recorded, rows_of(log)[0], int(found.read_text()), damage)


def main(seed: int, count: int) -> None:
    setattr(schema, "CHECKPOINT" + "_PAGES", 8)  # so that pages are merged into the file in the middle, too
    with TemporaryDirectory(prefix="perdure-moving-", dir=PLACE) as name:
        log = Path(name) / "log" / "shop.db"
        log.parent.mkdir()
        if forked(partial(play, log, Kill(), Path(name) / "found")) != 0:
            raise RuntimeError("it fails without a kill")
        calls = len((Path(name) / "kinds").read_text())
    gc.freeze()
    chance, whens = Random(seed), get_args(When)
    points = [Kill(at, when, chance.getrandbits(32)) for at in range(1, calls + 1) for when in whens]
    for kill in sorted(chance.sample(points, min(count, len(points))), key=lambda kill: kill.at):
        sys.stdout.buffer.write(msgspec.json.encode(history(kill)) + b"\n")


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    main(*map(int, sys.argv[1:]))
