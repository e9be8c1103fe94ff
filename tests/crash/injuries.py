"""Injuries: seeded bit flips and cuts in every part of a log's files, and what they add up to."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec

from tests.crash import healthy
from tests.crash.healthy import NAME
from tests.crash.injurer import Diagnosis, Injury
from tests.crash.server import PLACE
from tests.crash.workers import answers

FILE_HEADER_BYTES = 100
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
PAGE_BYTES = 4096
NEIGHBOURS_EVERY = 3
NEWEST_MAX = 40
META_BYTES = 48


def seeded(place: Path, seed: int, count: int) -> list[Injury]:
    """So many injuries: flips in the database, its header, its smallest table, the WAL and its headers; cuts at seeded lengths;

    missing newest records; older copies.
    """
    chance = Random(f"{seed}:injuries")
    merged = (place / "merged" / NAME).stat().st_size
    wal = live_bytes(place / "unmerged" / (NAME + "-wal"))
    meta = meta_cells(place / "merged" / NAME)
    makers: list[Callable[[], Injury]] = [
        *[lambda: Injury("merged", "", "flip", chance.randrange(merged * 8))] * 11,
        lambda: Injury("merged", "", "flip", chance.randrange(FILE_HEADER_BYTES * 8)),
        lambda: Injury("merged", "", "flip", chance.randrange(meta.start * 8, meta.stop * 8)),
        *[lambda: Injury("unmerged", "-wal", "flip", chance.randrange(wal * 8))] * 4,
        lambda: Injury("unmerged", "-wal", "flip", in_header(chance, wal)),
        lambda: Injury("merged", "", "truncate", chance.randrange(merged)),
        lambda: Injury("unmerged", "-wal", "truncate", chance.randrange(wal)),
        lambda: Injury("merged", "", "delete", chance.randint(1, NEWEST_MAX)),
    ]
    injuries = [Injury("merged", "", "restore", number) for number in range(3)]
    while len(injuries) < count:
        injury = makers[len(injuries) % len(makers)]()
        injuries.append(msgspec.structs.replace(injury, neighbours=len(injuries) % NEIGHBOURS_EVERY == 0))
    return injuries


def meta_cells(log: Path) -> range:
    """The bytes of the smallest table, which a seeded bit of the whole file would hardly ever hit: the end of its one page."""
    with closing(sqlite3.connect(log)) as db:
        (page,) = db.execute("select rootpage from sqlite_master where name = 'meta'").fetchone()
    return range(page * PAGE_BYTES - META_BYTES, page * PAGE_BYTES)


def in_header(chance: Random, wal: int) -> int:
    """A bit of the WAL's header, or of that of one of its frames."""
    frame = chance.randrange((wal - WAL_HEADER_BYTES) // (FRAME_HEADER_BYTES + PAGE_BYTES) + 1)
    if frame == 0:
        return chance.randrange(WAL_HEADER_BYTES * 8)
    start = WAL_HEADER_BYTES + (frame - 1) * (FRAME_HEADER_BYTES + PAGE_BYTES)
    return start * 8 + chance.randrange(FRAME_HEADER_BYTES * 8)


def live_bytes(wal: Path) -> int:
    """The length of the part of a WAL that counts: frames with the salts of its header; behind them lie older ones."""
    content = wal.read_bytes()
    end = WAL_HEADER_BYTES
    while content[end + 8 : end + 16] == content[16:24]:
        end += FRAME_HEADER_BYTES + PAGE_BYTES
    return end


def diagnosed(seed: int, count: int) -> Iterator[Diagnosis]:
    """Make a healthy log, injure it so often, and say what became of each."""
    with TemporaryDirectory(dir=PLACE) as name:
        place = Path(name)
        healthy.made(place)
        yield from answers(seeded(place, seed, count), Diagnosis, "tests.crash.injurer", name)


def summed(diagnoses: Sequence[Diagnosis], seconds: float) -> dict[str, float]:
    """The figures of a proof."""
    return {
        "injuries": len(diagnoses),
        "injuries_that_matter": sum(diagnosis.matters for diagnosis in diagnoses),
        "injuries_missed": sum(bool(diagnosis.missed) for diagnosis in diagnoses),
        "false_alarms": sum(bool(diagnosis.false_alarm) for diagnosis in diagnoses),
        "neighbours_stopped": sum(len(diagnosis.stopped) for diagnosis in diagnoses),
        "cut_tails_not_corrupt": sum(map(is_cut_unseen, diagnoses)),
        "strange_errors": sum(bool(diagnosis.strange) for diagnosis in diagnoses),
        "cut_or_restored": sum(diagnosis.injury.how != "flip" for diagnosis in diagnoses),
        "runs_quarantined": sum(diagnosis.quarantined for diagnosis in diagnoses),
        "neighbours_gone_on": sum(diagnosis.neighbours for diagnosis in diagnoses),
        "injuries_per_s": len(diagnoses) / seconds,
    }


def told(diagnoses: Iterable[Diagnosis]) -> str:
    """Every injury that was not treated as it should be."""
    return "\n".join(
        f"{diagnosis.injury}: missed {diagnosis.missed[:3]}, false alarm {diagnosis.false_alarm[:3]}, strange {diagnosis.strange[:3]}, "
        f"stopped {diagnosis.stopped[:3]}, refused as a whole {diagnosis.whole}"
        for diagnosis in diagnoses
        if diagnosis.missed or diagnosis.false_alarm or diagnosis.strange or diagnosis.stopped or is_cut_unseen(diagnosis)
    )


def is_cut_unseen(diagnosis: Diagnosis) -> bool:
    """Whether a cut or older file that matters was opened all the same."""
    return diagnosis.injury.how != "flip" and diagnosis.matters and not diagnosis.whole


def figures(seed: int, count: int) -> tuple[dict[str, float], str]:
    started = time.perf_counter()
    diagnoses = list(diagnosed(seed, count))
    return summed(diagnoses, time.perf_counter() - started), told(diagnoses)
