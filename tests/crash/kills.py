"""Kills: every crash point of every scenario, examined by fork servers side by side, and what they add up to."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from random import Random

import msgspec

from tests.crash.playing import LOOPS
from tests.crash.promises import PROMISES
from tests.crash.scenarios import SCENARIOS
from tests.crash.server import Finding, Point
from tests.crash.shim import Kill, When, built
from tests.crash.workers import answers

WHENS: tuple[When, ...] = ("before", "inside", "after")
ENDS: tuple[When, ...] = ("before", "after")
CLEAN_RUNS = 3
BROKEN = (*PROMISES, "ends_that_differ", "starts_that_failed")


def examined(points: Iterable[Point]) -> Iterator[Finding]:
    """What becomes of each point, in their order."""
    return answers(points, Finding, "tests.crash.server", LD_PRELOAD=str(built()))


@functools.cache
def clean_runs() -> list[Finding]:
    """Each scenario on each loop, several times without a kill: what it does, and how it ends."""
    points = [Point(scenario, loop) for scenario in SCENARIOS for loop in LOOPS for _ in range(CLEAN_RUNS)]
    findings = list(examined(points))
    for finding in findings:
        same = [other.outcomes for other in findings if other.point.scenario == finding.point.scenario]
        if finding.broken or any(outcomes != finding.outcomes for outcomes in same):
            where = f"{finding.point.scenario!r} on {finding.point.loop}"
            raise AssertionError(f"without any kill {where} breaks {finding.broken} or ends in several ways: {same}")
    return findings


def every_point(seed: int, *, kills: int = 1) -> list[Point]:
    """Every call of every scenario on each loop, before, inside (a write torn at a seeded length) and after it.

    With `kills` over 1 the restarts are killed too, each at a seeded call.
    """
    chance = Random(f"{seed}:kills")
    points: list[Point] = []
    calls: dict[tuple[str, str], Finding] = {}
    for finding in clean_runs():
        known = calls.setdefault((finding.point.scenario, finding.point.loop), finding)
        if len(finding.kinds) > len(known.kinds):
            calls[finding.point.scenario, finding.point.loop] = finding
    for (scenario, loop), finding in calls.items():
        for at, kind in enumerate(finding.kinds, 1):
            for when in WHENS if kind == "w" else ENDS:
                first = Kill(at, when, chance.getrandbits(32))
                more = [Kill(chance.randint(1, len(finding.kinds)), chance.choice(WHENS), chance.getrandbits(32)) for _ in range(kills - 1)]
                points.append(Point(scenario, loop, [first, *more], finding.outcomes))
    return points


def some_points(seed: int, count: int, *, kills: int = 1) -> list[Point]:
    """A seeded share of all points, some of every scenario."""
    points = every_point(seed, kills=kills)
    Random(f"{seed}:share").shuffle(points)
    chosen: list[Point] = []
    for number, scenario in enumerate(SCENARIOS):
        mine = [point for point in points if point.scenario == scenario]
        chosen += mine[: (count + len(SCENARIOS) - 1 - number) // len(SCENARIOS)]
    return chosen


def with_bug(points: Iterable[Point], bug: str) -> Iterator[Point]:
    """The same points with a planted bug in the process that is killed."""
    return (msgspec.structs.replace(point, bug=bug) for point in points)


def summed(findings: Sequence[Finding], seconds: float) -> dict[str, float]:
    """The figures of a proof."""
    hits = [hit for finding in findings for hit in finding.hits]
    complaints = {name: sum(len(finding.broken.get(name, ())) for finding in findings) for name in BROKEN}
    return {
        "scenarios": len({finding.point.scenario for finding in findings if finding.hits}),
        "crash_points": len(hits),
        "torn_writes": sum(is_torn(hit) for hit in hits),
        **complaints,
        "attempts_again_in_flight": sum(finding.attempts_again for finding in findings),
        "durable_though_not_acknowledged": sum(finding.durable_though_not_acknowledged for finding in findings),
        "points_not_reached": sum(len(finding.point.kills) for finding in findings) - len(hits),
        "points_per_s": len(hits) / seconds,
    }


def is_torn(hit: str) -> bool:
    """Whether the shim says that it wrote a part and not the whole."""
    when, kind, written, wanted, *_ = hit.split(" ")
    return (when, kind) == ("i", "w") and 0 < int(written) < int(wanted)


def told(findings: Iterable[Finding]) -> str:
    """Everything that was broken, with the point that broke it."""
    return "\n".join(
        f"{finding.point.scenario!r} on {finding.point.loop}, {finding.point.kills}, {finding.hits}: {finding.broken}"
        for finding in findings
        if finding.broken
    )


def figures(points: Sequence[Point]) -> tuple[dict[str, float], str]:
    """What examining these points gives, and what is broken, in words."""
    started = time.perf_counter()
    findings = list(examined(points))
    return summed(findings, time.perf_counter() - started), told(findings)
