"""One process of a crash point: opens the real log, plays the scenario, and, if it was let live, looks at what is there."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
from msgspec import Struct

import perdure
from perdure.adapters.sqlite import schema, verify
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import judge
from perdure.runtime.run.events import CODEC
from tests.crash import journal, scenarios, shim
from tests.crash.client import Client
from tests.crash.journal import Journal, Opened

LOOPS: dict[str, dict[str, Any]] = {"asyncio": {"use_uvloop": False}, "trio": {}}
CHECKPOINT_PAGES = 24  # so that the WAL is merged and begun anew in the middle of a scenario, not only at its end


class Happened(Struct, frozen=True):
    """An event of the log: where it stands, and which owner of the log recorded it."""

    stream: str
    version: int
    epoch: int
    event: Any


class Seen(Struct, frozen=True):
    """All that is left of a history: the journal, the log, and what verifying and replaying it says."""

    lines: list[journal.Line]
    events: list[Happened]
    gaps: int
    findings: list[str]
    outcomes: dict[str, tuple[str, str, str]]
    """Of each run: how it ended, with what result, and its content digest."""
    disagreeing: list[str]
    """Runs whose replay with today's code does not agree with the log."""


def log_in(work: Path) -> Path:
    return work / "log" / "perdure.db"


def play(work: Path, scenario: str, loop: str, kill: shim.Kill, *, ask_again: bool) -> None:
    """Open the log and play the scenario to its end, unless the shim ends it before."""
    replaced = "CHECKPOINT_PAGES"
    setattr(schema, replaced, CHECKPOINT_PAGES)
    book = Journal(work / "journal")
    scenarios.journals.append(book)
    log = log_in(work)
    log.parent.mkdir(exist_ok=True)

    async def main() -> None:
        async with perdure.open(f"sqlite:///{log}", workflows=scenarios.WORKFLOWS) as runtime:
            book.note(Opened(os.getpid(), runtime.carrier.epoch))
            client = Client(runtime, book)
            await scenarios.SCENARIOS[scenario](client)
            if ask_again:
                await client.ask_all_again()

    shim.arm(log.parent, work / "kill", kill)
    anyio.run(main, backend=loop, backend_options=LOOPS[loop])


def look(work: Path) -> Seen:
    """Read everything back, by other ways than the runtime's own."""
    path = log_in(work)
    report = verify.verify_file(path)
    with closing(schema.connect_reader(path)) as db:
        records = list(verify.records(db))
    events = [
        Happened(record.stream, record.first + offset, batch.epoch, event)
        for record in records
        for batch in [CODEC.decode(record.data)]
        for offset, event in enumerate(batch.events)
    ]
    registry = Registry(scenarios.WORKFLOWS)
    streams = sorted({record.stream for record in records})
    verdicts = {stream: judge(stream, [record for record in records if record.stream == stream], registry) for stream in streams}
    book = journal.read(work / "journal")
    results = {line.run: line.result for line in book if isinstance(line, journal.Ended)}
    return Seen(
        lines=book,
        events=events,
        gaps=sum(record.position != position for position, record in enumerate(records, 1)) + versions_missing(events),
        findings=[f"{finding.stream} {finding.where}: {finding.what}" for finding in report.findings],
        outcomes={verdict.run: (verdict.status, results.get(verdict.run, ""), verdict.content_digest) for verdict in verdicts.values()},
        disagreeing=[f"{verdict.run}: {verdict.difference}" for verdict in verdicts.values() if not verdict.agrees],
    )


def versions_missing(events: list[Happened]) -> int:
    """How often the next event of a stream does not have the next version."""
    lengths: dict[str, int] = {}
    missing = 0
    for happened in events:
        missing += happened.version != lengths.get(happened.stream, 0) + 1
        lengths[happened.stream] = happened.version
    return missing
