"""The play: a run is begun, killed half-way, begun again and ended; then it is held against everything that could show a loss."""

from __future__ import annotations

import sysconfig
import time
from functools import partial
from pathlib import Path

import anyio
import msgspec
from msgspec import Struct

from .....eventlog.errors import Bug, Diverged, Unavailable
from .....eventlog.report import Report
from .....runtime.authoring.workflows import Registry
from .....runtime.inspect.replay import Verdict, judge
from ....system.nats_server import NatsServer
from ...logs.verifying import verify_log
from ...looking.questions import records_of
from ...running.progress import Progress
from ..voice import near
from .index import Hit, Index
from .library import Totals, index_library
from .stage import RUN, Stage, ground, total_files
from .telling import Telling

HITS = 5
PARTS = (2, 4, 8)


class Killed(Struct, frozen=True):
    """How things stood when the first process was killed, by the log it left."""

    done: int
    in_flight: int
    """Steps that the log had scheduled and that had no outcome."""
    begun: int
    """Those of them that had really begun."""


class Redone(Struct, frozen=True):
    """What the second process did, by what the steps themselves wrote down."""

    kept: int
    """Steps done before the kill that were not attempted again."""
    done_again: int
    """Steps done before the kill that were: must be none."""
    attempted_again: int
    """Steps in flight at the kill that had begun and were begun again, with the same key."""
    rest: int
    """Steps that only the second process began."""


class Story(Struct, frozen=True):
    """All that the demo found."""

    library: str
    totals: Totals
    killed: Killed
    redone: Redone
    log: Report
    replay: Verdict
    clean: Verdict
    indexes_equal: bool
    docstrings: int
    search: str
    hits: list[Hit]
    seconds: float


def play(folder: Path, *, files: int, search: str, telling: Telling, carrier: str = "sqlite") -> Story:
    """Play the whole demo in a folder; an error where a promise does not hold."""
    folder = folder.resolve()
    with ground(carrier, folder / "server") as server:
        return play_on(server, folder, files=files, search=search, telling=telling)


def play_on(server: NatsServer | None, folder: Path, *, files: int, search: str, telling: Telling) -> Story:
    begun = time.monotonic()
    library = sysconfig.get_path("stdlib")
    stage, clean_stage = Stage(folder / "killed", library, files, server), Stage(folder / "clean", library, files, server)
    stage.clear()
    clean_stage.clear()
    telling.opening(library, folder, server)

    killed, before = kill_half_way(stage, telling)
    redone = go_on(stage, before, telling)
    log, replayed = examine(stage)
    telling.examined(log, replayed)
    clean, equal, docstrings = compare(stage, clean_stage, replayed, telling)
    with Index.open(stage.folder) as index:
        hits = index.search(search, HITS)
    totals = msgspec.json.decode(result_of(stage), type=Totals)
    story = Story(
        library, totals, killed, redone, log, replayed, clean, equal, docstrings, search, hits, round(time.monotonic() - begun, 1)
    )
    telling.ending(totals, search, hits, story.seconds, see(stage, server))
    return story


def see(stage: Stage, server: NatsServer | None) -> list[str]:
    """What shows the run to who wants to see for himself."""
    if server is None:
        return [f"perdure show {RUN} --log {near(Path(stage.log))}"]
    return [f"perdure show {RUN} --log {stage.log}", f"beside: nats-server -c {near(server.config)}"]


def kill_half_way(stage: Stage, telling: Telling) -> tuple[Killed, Progress]:
    """Let the run begin, and kill its process once half the files are done."""
    progress = Progress()
    for part in PARTS:
        with telling.bar("first process") as show:
            progress = stage.play_until(partial(is_done, part), show)
        if not progress.ended:
            break
        stage.clear()  # it was quicker than we looked: once more, and killed earlier
    else:
        raise Unavailable(
            "the run ended before it could be killed",
            who="the demo",
            expected="a run that takes a second or more",
            found="one that was quicker",
            instead="give it more files: perdure demo --files 200",
        )
    attempts = stage.attempts()
    killed = Killed(progress.counts("index_file"), len(progress.open), sum(id in attempts for id in progress.open))
    telling.killed(killed.done, total_files(progress), killed.in_flight, killed.begun)
    return killed, progress


def is_done(part: int, progress: Progress) -> bool:
    """Whether one part in `part` of the files is done."""
    return 0 < total_files(progress) <= part * progress.counts("index_file")


def go_on(stage: Stage, before: Progress, telling: Telling) -> Redone:
    """Start the same command again, to the end; what it did, and what it did not do again."""
    attempts_before = stage.attempts()
    with telling.bar("second process") as show:
        progress = stage.play_until(lambda _: False, show)
    if progress.phase != "completed":
        raise Bug("the run did not complete", who="the demo", found=progress.phase, instead=f"see: perdure show {RUN} --log {stage.log}")
    again = {id: pids[len(attempts_before.get(id, ())) :] for id, pids in stage.attempts().items()}
    done_before = [id for id, name in before.done.items() if name == "index_file"]
    redone = Redone(
        kept=sum(not again.get(id) for id in done_before),
        done_again=sum(bool(again.get(id)) for id in done_before),
        attempted_again=sum(bool(again.get(id)) for id in before.open if id in attempts_before),
        rest=sum(bool(pids) for id, pids in again.items() if id not in attempts_before),
    )
    telling.redone(redone.kept, redone.done_again, redone.attempted_again, redone.rest)
    if redone.done_again:
        raise Bug(
            "steps that were done were done again",
            who="the demo",
            expected="0",
            found=str(redone.done_again),
            instead="report it with the folder of the demo",
        )
    return redone


def examine(stage: Stage) -> tuple[Report, Verdict]:
    """The whole log verified, and the run refolded from its log and driven with the code."""
    report = anyio.run(verify_log, stage.log)
    if report.verdict != "intact":
        raise Bug(
            "the log of the demo is damaged",
            who="the demo",
            where=stage.log,
            found=report.findings[0].what,
            instead="report it with that log",
        )
    return report, replayed(stage)


def replayed(stage: Stage) -> Verdict:
    verdict = judge(stage.stream, anyio.run(records_of, stage.log, RUN), Registry([index_library]))
    if not verdict.agrees:
        raise Diverged(
            "the code of the demo and its log disagree",
            who="the demo",
            where=verdict.difference.get("where", ""),
            expected=verdict.difference.get("expected", ""),
            found=verdict.difference.get("found", ""),
            instead="report it with the folder of the demo",
        )
    return verdict


def compare(stage: Stage, clean_stage: Stage, killed: Verdict, telling: Telling) -> tuple[Verdict, bool, int]:
    """The same run once more in a fresh folder, in one go: its content digest and its index must be those of the killed one."""
    with telling.bar("undisturbed run") as show:
        clean_stage.play_until(lambda _: False, show)
    clean = replayed(clean_stage)
    with Index.open(stage.folder) as index, Index.open(clean_stage.folder) as other:
        count, equal = index.count(), index.digest() == other.digest()
    telling.compared(killed.content_digest, clean.content_digest, count, equal=equal)
    if clean.content_digest != killed.content_digest or not equal:
        raise Bug(
            "the killed run and the clean one differ",
            who="the demo",
            expected=clean.content_digest,
            found=killed.content_digest,
            instead="report it with the folder of the demo",
        )
    return clean, equal, count


def result_of(stage: Stage) -> bytes:
    """The result of the run, as its log holds it."""
    last = anyio.run(records_of, stage.log, RUN)[-1]
    return bytes(msgspec.json.encode(msgspec.json.decode(last.data)["events"][-1]["result"]))
