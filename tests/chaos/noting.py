"""The journal of the steps: what the world saw of every attempt, whatever the log says."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perdure import current

JOURNAL = "CHAOS_JOURNAL"
"""The environment variable that says where the journal is."""


class Attempted(Struct, frozen=True, omit_defaults=True):
    """A step began an attempt; with `ended` it came to its end, too. Times in seconds since 1970."""

    run: str
    effect: str
    step: str
    attempt: int
    key: str
    slot: str = ""
    """Which limit it is under, with its key."""
    process: int = 0
    began: float = 0.0
    ended: float = 0.0


def note(slot: str = "") -> Attempted:
    """Write down the attempt that runs here, in one write, before it does anything else."""
    now = current()
    return _written(Attempted(now.run, now.effect, now.step, now.attempt, now.idempotency_key, slot, os.getpid(), time.time()))


@contextmanager
def noted(slot: str = "") -> Generator[Attempted]:
    """The same, and at its end that it has ended; of one that is cut short no end is told."""
    made = note(slot)
    yield made
    _written(replace(made, ended=time.time()))


def _written(line: Attempted) -> Attempted:
    file = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, msgspec.json.encode(line) + b"\n")
    finally:
        os.close(file)
    return line


def attempts_in(journal: Path) -> list[Attempted]:
    """What the journal tells, each attempt of each process once."""
    found: dict[Attempted, Attempted] = {}
    decode = msgspec.json.Decoder(Attempted).decode
    for line in journal.read_bytes().splitlines() if journal.exists() else ():
        told = decode(line)
        found[replace(told, ended=0.0)] = told
    return list(found.values())
