"""Moves by the URLs of logs: what a program, or the command line, calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from .arriving import Imported, bring_in
from .desk import desk
from .leaving import Exported, export
from .returning import TakenBack
from .returning import take_back as taken_back

IDENTITY = re.compile(r"[0-9a-f]{32}")


async def log_id(url: str) -> str:
    """The identity of the log at a URL, 32 hexadecimal digits; a log that is not there yet is made."""
    async with desk(url) as found:
        return found.identity


async def move_out(
    url: str, runs: Iterable[str], *, to: str, out: str | Path, tenant: str = "default", within: timedelta = timedelta(minutes=2)
) -> Exported:
    """Let runs leave the log at a URL for the log `to`, an identity or a URL, in the file `out`.

    They are paused until what of them is under way has ended, `within` at most. Refused where some that wait for them, or that
    they wait for, are not named too. Repeated it is the same move, and writes the same file.
    """
    identity = to if IDENTITY.fullmatch(to) else await log_id(to)
    async with desk(url) as found:
        return await export(found, list(runs), identity, Path(out), tenant=tenant, within=within.total_seconds())


async def move_in(url: str, file: str | Path) -> Imported:
    """Let the runs of a file go on in the log at a URL; Refused unless they left for it, Invalid where the file was altered.

    Repeated it goes on where it was, or changes nothing.
    """
    async with desk(url) as found:
        return await bring_in(found, Path(file))


async def take_back(url: str, move: str, *, at: str, tenant: str = "default") -> TakenBack:
    """Let the runs of a move go on in the log at a URL, which they left; Refused where those of the log `at` go on there by now."""
    async with desk(url) as source, desk(at) as to:
        return await taken_back(source, to, move, tenant=tenant)
