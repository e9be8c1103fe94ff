"""A healthy log to be injured: over 200 runs, ended and waiting, with heads and snapshots; kept open, closed, and older."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio

import perdure
from tests.crash import scenarios
from tests.crash.client import Client
from tests.crash.journal import Journal

ENDED = [f"ended-{number}" for number in range(190)]
WAITING = [f"waiting-{number}" for number in range(24)]
LONG = [f"long-{number}" for number in range(4)]
NAME = "perdure.db"
PARTS = ("", "-wal", "-anchor")


def stream_of(run: str) -> str:
    return f"run/default/{run}"


STREAMS = [stream_of(run) for run in (*ENDED, *WAITING, *LONG, "last")]


def made(place: Path) -> None:
    """Make the log below `place`: `unmerged` with all of its newest records in the WAL, `merged` without a WAL, `older-0` … from before."""
    anyio.run(_make, place, backend_options={"use_uvloop": False})


async def _make(place: Path) -> None:
    log = place / "made" / NAME
    log.parent.mkdir(parents=True)
    scenarios.journals.append(Journal(place / "journal"))
    async with perdure.open(f"sqlite:///{log}", workflows=scenarios.WORKFLOWS) as runtime:
        client = Client(runtime, scenarios.journals[-1])
        for run in LONG:
            await client.start(scenarios.long_lived, run, 52)
        for run in WAITING:
            await client.start(scenarios.long_lived, run, 2)
        await client.leaves_memory([*LONG, *WAITING])
        copied(log.parent, place / "older-0")
        for number, run in enumerate(ENDED):
            await client.start(scenarios.in_sequence, run, 2)
            await client.ended(run)
            if number in (60, 120):
                copied(log.parent, place / f"older-{number // 60}")
        await client.start(scenarios.in_sequence, "last", 2)
        await client.ended("last")
        copied(log.parent, place / "unmerged")
    copied(log.parent, place / "merged")


def copied(log: Path, to: Path) -> Path:
    """A copy of a log's files in a directory of its own; no lock file, no shared memory."""
    to.mkdir()
    for part in PARTS:
        if (log / (NAME + part)).exists():
            shutil.copyfile(log / (NAME + part), to / (NAME + part))
    return to / NAME
