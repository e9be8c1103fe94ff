"""`python -m tests.crash.injurer DIRECTORY`: injures copies of the healthy log there, and says what reading them gives.

An injury *matters* if any read returns otherwise than before: opening, `read` and `load` of every stream, `follow`, every
way to ask for heads, snapshots, views. It is *found* if a read raises Corrupt or Invalid, or verifying the file has a finding;
else it is *missed*. An alarm is *false* if SQLite, asked without us, serves every row of every table, every setting and its
own integrity check as before and would take a write, because then the bytes that matter are unchanged. Runs whose records can be read
as before are *neighbours*: as long as SQLite finds its pages sound, those that wait must be able to go on to completion in
one process with the injured runs, and these must answer with an alarm. (A run with a snapshot is injured if a record behind that is.)
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import anyio
import msgspec
from msgspec import Struct, field

import perdure
from perdure.eventlog.errors import Corrupt, Invalid
from tests.crash import healthy, scenarios
from tests.crash.healthy import NAME, STREAMS, WAITING, stream_of
from tests.crash.journal import Journal
from tests.crash.reading import ALARM, Readings, everything, served_by_sqlite
from tests.crash.server import PLACE

WAYS = ("read", "load")

How = Literal["flip", "truncate", "delete", "restore"]


class Injury(Struct, frozen=True):
    """`flip` bit number `at` of a file of the copy `of`, `truncate` the file to `at` bytes, `delete` the newest `at` records with

    SQL, or `restore` the database and WAL of an older copy beside today's anchor. `neighbours`: see also whether they go on.
    """

    of: str
    part: str
    how: How
    at: int = 0
    neighbours: bool = False


class Diagnosis(Struct):
    """What became of the injured log. Of `matters`, `missed` and `false_alarm` see above."""

    injury: Injury
    matters: bool = False
    missed: list[str] = field(default_factory=list[str])
    """Reads that return something else, though nothing raised an alarm."""
    false_alarm: list[str] = field(default_factory=list[str])
    strange: list[str] = field(default_factory=list[str])
    """Errors that are no alarm: whoever reads them would not look for damage."""
    whole: bool = False
    """Whether opening the log at all was refused as Corrupt or Invalid."""
    hung: bool = False
    """Whether the server of the log never came up."""
    quarantined: int = 0
    neighbours: int = 0
    stopped: list[str] = field(default_factory=list[str])
    """Neighbours that did not go on, and injured runs that answered."""


class Injurer:
    """Knows the truth of each copy, and injures copies of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.truth: dict[str, tuple[Readings, str]] = {}
        for name in ("merged", "unmerged"):
            with TemporaryDirectory(dir=PLACE) as work:
                findings: list[str] = []
                served = served_by_sqlite(healthy.copied(place / name, Path(work) / "raw"))
                readings = everything(healthy.copied(place / name, Path(work) / "log"), findings)
                unwell = [f"{read}: {line}" for read, line in readings.items() if line.startswith("!")]
                if findings or unwell:
                    raise AssertionError(f"the healthy log {name!r} gives {findings} and {unwell}")
                self.truth[name] = readings, served

    def diagnose(self, injury: Injury) -> Diagnosis:
        with TemporaryDirectory(dir=PLACE) as work:
            found: list[str] = []
            readings = everything(self.injured(injury, Path(work) / "log"), found)
            diagnosis = self.judged(injury, readings, found)
            if alarms(readings, found) and self.serves_as_before(injury, Path(work) / "raw"):
                diagnosis.false_alarm = alarms(readings, found)
            if injury.neighbours and not diagnosis.whole and has_sound_pages(self.injured(injury, Path(work) / "pages")):
                again = self.injured(injury, Path(work) / "again")
                anyio.run(self.go_on, again, readings, diagnosis, backend_options={"use_uvloop": False})
        return diagnosis

    def judged(self, injury: Injury, readings: Readings, found: list[str]) -> Diagnosis:
        truth = self.truth[injury.of][0]
        diagnosis = Diagnosis(injury, whole=readings["opening"].startswith(ALARM))
        if diagnosis.whole:
            diagnosis.matters = True
            return diagnosis
        other = [f"{read}: {readings.get(read)}" for read, line in truth.items() if readings.get(read) != line]
        diagnosis.matters = bool(other)
        diagnosis.strange = [line for line in other if ": !" in line and f": {ALARM}" not in line]
        if not alarms(readings, found):
            diagnosis.missed = other
        return diagnosis

    def serves_as_before(self, injury: Injury, work: Path) -> bool:
        return injury.how in ("flip", "truncate") and served_by_sqlite(self.injured(injury, work)) == self.truth[injury.of][1]

    def injured(self, injury: Injury, to: Path) -> Path:
        """A copy of the healthy log with the injury."""
        log = healthy.copied(self.place / injury.of, to)
        file = log.with_name(NAME + injury.part)
        match injury.how:
            case "flip":
                with file.open("r+b") as content:
                    content.seek(injury.at // 8)
                    byte = content.read(1)[0]
                    content.seek(injury.at // 8)
                    content.write(bytes([byte ^ 1 << injury.at % 8]))
            case "truncate":
                os.truncate(file, injury.at)
            case "delete":
                with closing(sqlite3.connect(log)) as db, db:
                    db.execute("delete from record where position > (select max(position) from record) - ?", (injury.at,))
            case "restore":
                anchor = log.with_name(NAME + "-anchor").read_bytes()
                shutil.rmtree(to)
                healthy.copied(self.place / f"older-{injury.at}", to)
                log.with_name(NAME + "-anchor").write_bytes(anchor)
        return log

    async def go_on(self, log: Path, readings: Readings, diagnosis: Diagnosis) -> None:
        """Serve the injured log: injured runs must answer with an alarm, waiting neighbours must come to their end."""
        truth = self.truth[diagnosis.injury.of][0]
        scenarios.journals[:] = [Journal(log.with_name("journal"))]
        hurt = [stream for stream in STREAMS if readings.get(f"activation {stream}", readings.get(f"read {stream}", "")).startswith(ALARM)]
        well = [run for run in WAITING if all(readings.get(f"{way} {stream_of(run)}") == truth[f"{way} {stream_of(run)}"] for way in WAYS)]
        try:
            async with perdure.open(f"sqlite:///{log}", workflows=scenarios.WORKFLOWS) as runtime:
                for stream in hurt:
                    try:
                        await runtime.run(stream.rpartition("/")[2]).look()
                        diagnosis.stopped.append(f"{stream} is injured and answers")
                    except (Corrupt, Invalid):
                        diagnosis.quarantined += 1
                for run in well:
                    await runtime.run(run).signal("go", 1)
                with anyio.fail_after(10):
                    for run in well:
                        if await runtime.run(run).result() != 3:
                            diagnosis.stopped.append(f"{run} ended otherwise")
                        diagnosis.neighbours += 1
        except Exception as error:
            diagnosis.stopped.append(f"{len(well) - diagnosis.neighbours} of {len(well)} neighbours: {error!r}")


def has_sound_pages(log: Path) -> bool:
    """Whether SQLite finds nothing wrong with its pages. Else it may refuse to write beside the injury: nothing is promised then."""
    with closing(sqlite3.connect(log)) as db:
        try:
            return db.execute("pragma integrity_check").fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            return False


def alarms(readings: Readings, found: list[str]) -> list[str]:
    return [*(f"{read}: {line}" for read, line in readings.items() if line.startswith(ALARM)), *found]


def main() -> None:
    injurer = Injurer(Path(sys.argv[1]))
    decoder = msgspec.json.Decoder(Injury)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(injurer.diagnose(decoder.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
