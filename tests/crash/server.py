"""`python -m tests.crash.server`, under the shim: everything is imported once, each process of a crash point is a fork of it.

Crash points come in as lines of JSON, what became of them goes out the same way.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct, field

from tests.crash.planted import BUGS
from tests.crash.playing import LOOPS, look, play
from tests.crash.promises import attempts_again, broken, durable_though_not_acknowledged
from tests.crash.shim import Kill, kinds_so_far

SECONDS_MAX = 30
FAST = Path("/dev/shm")  # noqa: S108 - a place, not a name
PLACE = str(FAST) if os.access(FAST, os.W_OK) else None  # what a process wrote outlives its kill there, too, and many fit into a second


class Point(Struct, frozen=True):
    """A history to be killed at each of `kills` in turn, then let finish; `clean` is how it ends without a kill."""

    scenario: str
    loop: str
    kills: list[Kill] = field(default_factory=list[Kill])
    clean: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    bug: str = ""
    """A planted bug, if any: see `planted`."""


class Finding(Struct):
    """What became of a point: the kills that hit, one line of the shim each, and the promises that were broken."""

    point: Point
    hits: list[str] = field(default_factory=list[str])
    broken: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    attempts_again: int = 0
    durable_though_not_acknowledged: int = 0
    outcomes: dict[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    kinds: str = ""
    """Of a point without kills: what each call was."""


def examine(point: Point) -> Finding:
    """Kill and restart as the point says, let everything finish, ask everything again, and hold the rest to the promises."""
    finding = Finding(point)
    with TemporaryDirectory(prefix="perdure-crash-", dir=PLACE) as name:
        work = Path(name)
        for kill in point.kills:
            status = forked(partial(begin, work, point, kill))
            if status == -signal.SIGKILL:
                finding.hits.append((work / "kill").read_text().strip())
            elif status != 0:
                finding.broken["starts_that_failed"] = [f"the process to be killed ended with {status}"]
                return finding
        if forked(partial(recover, work, point, finding)) != 0:
            finding.broken["starts_that_failed"] = ["the process after the kill failed"]
            return finding
        return msgspec.json.decode((work / "finding").read_bytes(), type=Finding)


def recover(work: Path, point: Point, finding: Finding) -> None:
    """In a child: play to the end, look, and leave the finding in a file."""
    play(work, point.scenario, point.loop, Kill(), ask_again=True)
    finding.kinds = "" if point.kills else kinds_so_far()
    seen = look(work)
    finding.outcomes = seen.outcomes
    finding.broken = broken(seen, point.clean)
    finding.attempts_again = attempts_again(seen)
    finding.durable_though_not_acknowledged = durable_though_not_acknowledged(seen)
    (work / "finding").write_bytes(msgspec.json.encode(finding))


def begin(work: Path, point: Point, kill: Kill) -> None:
    """In a child: play until killed."""
    if point.bug:
        BUGS[point.bug]()
    play(work, point.scenario, point.loop, kill, ask_again=False)


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child; how it ended, a negative signal if by one."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS_MAX)
        faulthandler.dump_traceback_later(SECONDS_MAX - 5, file=2)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def warm() -> None:
    """Import everything, by playing once on each loop, so that no fork has to."""
    for loop in LOOPS:
        with TemporaryDirectory(prefix="perdure-crash-", dir=PLACE) as name:
            play(Path(name), "conversation", loop, Kill(), ask_again=False)
    gc.freeze()


def main() -> None:
    warm()
    decoder = msgspec.json.Decoder(Point)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(examine(decoder.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
