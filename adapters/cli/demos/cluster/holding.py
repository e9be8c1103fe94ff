"""Was anything lost? What the clients were told, what the steps noted down and what the log says are held against each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .....eventlog.errors import Bug
from .....eventlog.report import Report
from .....eventlog.streams import parts_of
from .....runtime.run import events as ev
from .....runtime.run.events import CODEC
from ....nats.inspecting import found_log, looking
from ....nats.records.reader import Reader
from ....nats.verifying import verify
from .flows import JOURNAL, STEPS, expected
from .load import Load, run_of


class Held(Struct, frozen=True):
    """What was found. All but the first four must be 0."""

    orders: int
    """Orders whose start was acknowledged."""
    records: int
    attempts: int
    attempted_again: int
    """Attempts of steps that were under way when their worker was killed; each with the key that it had."""
    lost: int
    """Orders that were acknowledged and did not come to their end."""
    wrong: int
    """Orders with another result than they should have, in the log or as it was told."""
    doubled: int
    """Steps with more than one recorded outcome."""
    keys_changed: int
    """Steps that were attempted under more than one key."""
    out_of_epoch: int
    """Runs with a record of an older owner behind one of a newer owner."""
    findings: int
    """What verifying the whole log found."""

    @property
    def faults(self) -> dict[str, int]:
        names = ("lost", "wrong", "doubled", "keys_changed", "out_of_epoch", "findings")
        return {name: found for name in names if (found := getattr(self, name))}


class Blows(Struct, frozen=True):
    """What was killed, in seconds: until every partition had a living owner again, and until orders ended again."""

    taken_over_after: float
    slowest_around_worker: float
    """What the slowest start took around the end of the worker."""
    led_again_after: float
    slowest_around_leader: float


class Story(Struct, frozen=True):
    """What happened, and what was found."""

    blows: Blows
    held: Held
    seconds: float


class Life(Struct):
    """One run, from its records."""

    epochs: list[int] = []
    outcomes: Counter[str] = msgspec.field(default_factory=Counter[str])
    result: Any = None


async def held(url: str, folder: Path, load: Load) -> Held:
    """Read everything, and compare; Bug where a promise does not hold."""
    report: Report = await verify(url)
    lives = await lives_of(url)
    noted = [line.split("\t") for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines()]
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for key, what in noted:
        keys[what].add(key)
    found = Held(
        orders=len(load.started),
        records=report.records,
        attempts=len(noted),
        attempted_again=len(noted) - len(keys),
        lost=sum(run_of(order) not in lives or lives[run_of(order)].result is None for order in load.started),
        wrong=sum(is_wrong(order, lives, load) for order in load.started),
        doubled=sum(count > 1 for life in lives.values() for count in life.outcomes.values()),
        keys_changed=sum(len(of_step) > 1 for of_step in keys.values()),
        out_of_epoch=sum(life.epochs != sorted(life.epochs) for life in lives.values()),
        findings=len(report.findings) + report.more_findings,
    )
    if found.faults:
        raise Bug("a promise does not hold", who="perdure cluster", where=str(folder), expected="nothing lost, nothing doubled",
                  found=", ".join(f"{name}: {count}" for name, count in found.faults.items()), instead="report it with that folder")
    return found


def is_wrong(order: int, lives: Mapping[str, Life], load: Load) -> bool:
    life = lives.get(run_of(order), Life())
    results = [each for each in (life.result, load.ended.get(order)) if each is not None]
    return any(result != expected(order) for result in results) or (life.result is not None and len(life.outcomes) != len(STEPS))


async def lives_of(url: str) -> dict[str, Life]:
    lives: dict[str, Life] = {}
    async with looking(url) as (store, place):
        await found_log(store, place)
        async for page in Reader(store).everything():
            for record in page:
                kind, _, run = parts_of(record.stream)
                if kind == "run":
                    life = lives.setdefault(run, Life())
                    batch = CODEC.decode(record.data)
                    life.epochs.append(batch.epoch)
                    for event in batch.events:
                        take(life, event)
    return lives


def take(life: Life, event: Any) -> None:
    match event:
        case ev.StepCompleted(id=id):
            life.outcomes[id] += 1
        case ev.RunCompleted(result=result):
            life.result = msgspec.json.decode(result)
        case _:
            return
