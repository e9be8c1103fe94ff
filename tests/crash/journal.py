"""The journal beside the log: what the world saw of it. Written line by line before anything else happens, and never by the log."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct


class Opened(Struct, frozen=True, tag=True):
    """A process opened the log, as its `epoch`-th owner."""

    pid: int
    epoch: int


class Attempted(Struct, frozen=True, tag=True):
    """A step began an attempt."""

    pid: int
    run: str
    effect: str
    attempt: int
    key: str


class Answered(Struct, frozen=True, tag=True):
    """A command was acknowledged as applied at a version."""

    pid: int
    run: str
    command: str
    version: int


class Ended(Struct, frozen=True, tag=True):
    """A caller was told how a run ended."""

    pid: int
    run: str
    status: str
    result: str


Line = Opened | Attempted | Answered | Ended

_lines = msgspec.json.Decoder(Line)


class Journal:
    """The open journal; each line is one write to the end of the file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")


def read(path: Path) -> list[Line]:
    return [_lines.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
