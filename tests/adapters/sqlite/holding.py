"""Helpers for tests that look at the file from outside, or hold it in another process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.records import Tail
from tests.eventlog.making import STREAM, grown

HOLDER = """
import sys, anyio
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.records import EMPTY, sealed
async def main():
    async with open_sqlite(sys.argv[1]) as carrier:
        tail = EMPTY
        for _ in range(int(sys.argv[2])):
            (tail,) = await carrier.log.append([sealed("workflow/default/one", tail, b"{}", 1)])
        print("ready", flush=True)
        sys.stdin.readline()
anyio.run(main)
"""


@contextmanager
def another_process(path: Path, appends: int = 0) -> Generator[subprocess.Popen[str]]:
    """A process that holds the log, with so many records appended; killed at the end."""
    command = [sys.executable, "-c", HOLDER, str(path), str(appends)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def change(path: Path, statement: str, *values: object) -> None:
    """Change a closed file behind its owner's back."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


def asked(path: Path, question: str) -> list[tuple[object, ...]]:
    """What a closed file answers."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(question).fetchall()


def files(room: Path) -> list[str]:
    return sorted(file.name for file in room.iterdir())


async def made(path: Path, length: int = 5) -> Tail:
    """A closed log of one stream with so many records."""
    async with open_sqlite(path) as carrier:
        return await grown(carrier.log, STREAM, length)
