"""Claim definition-200: a definition of two hundred steps, killed at every record, ends with one content digest, on SQLite and on NATS."""

from __future__ import annotations

import logging
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import anyio

from perdure.adapters.nats.open import open_nats
from perdure.adapters.sqlite.open import open_sqlite
from perdure.eventlog.log import Carrier
from tests.adapters.nats.server import running
from tests.proofs.frame import Figures, proof
from tests.runtime.definitions.killing import Lived, Opened, lived
from tests.runtime.definitions.large import INPUTS, count, large


@proof("definition-200", "a definition of 200 steps, with branches, maps and an approval, killed at every record, has one content digest")
def two_hundred_steps() -> Figures:
    logging.getLogger("perdure").addHandler(logging.NullHandler())  # each death is announced: nobody needs to read of hundreds
    text = large()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        found = anyio.run(_all, text, Path(folder), server.url)
    clean, killed, _, killed_in_nats = found
    return {
        "steps": count(text),
        "events": clean.events,
        "distinct_digests": len({one.content for one in found}),
        "runs_that_differ": sum(one.result != clean.result for one in found),
        "kills_on_sqlite": killed.kills,
        "kills_on_nats": killed_in_nats.kills,
    }


async def _all(text: str, folder: Path, server: str) -> list[Lived]:
    """Clean and killed behind every record, in a file and in NATS."""
    return [
        await lived(_in_file(folder / "clean.db"), text, INPUTS, lasting=0),
        await lived(_in_file(folder / "killed.db"), text, INPUTS, lasting=1),
        await lived(_in_nats(server), text, INPUTS, lasting=0),
        await lived(_in_nats(server), text, INPUTS, lasting=1),
    ]


def _in_file(path: Path) -> Opened:
    def opened() -> AbstractAsyncContextManager[Carrier]:
        return open_sqlite(path)

    return opened


def _in_nats(server: str) -> Opened:
    namespace = uuid4().hex

    def opened() -> AbstractAsyncContextManager[Carrier]:
        return open_nats(f"{server}/{namespace}")

    return opened
