"""The memory log with faults: each fault does what its name says, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random
from typing import cast

import anyio
import pytest

from perdure.eventlog.errors import Conflict, Unavailable
from perdure.eventlog.faults import Dice, Fault, FaultyLog, Script, What
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Append, Record, sealed
from tests.eventlog.making import content, row_of

pytestmark = pytest.mark.anyio

BATCH = [sealed(f"run/default/{name}", EMPTY, content(1), 1) for name in "abcd"]


def faulty(what: What, **parts: float) -> tuple[FaultyLog, MemoryLog]:
    shared = MemoryLog()
    return FaultyLog(shared, Script({1: Fault(what, parts.get("seconds", 0.0), int(parts.get("place", 0)))})), shared


@pytest.mark.parametrize(("what", "kept"), [("crash_before", 0), ("crash_after", 4), ("torn_tail", 3), ("lost_reply", 4), ("refusal", 0)])
async def test_an_append_that_fails_leaves_what_its_fault_says(what: What, kept: int) -> None:
    log, shared = faulty(what, place=7)
    with pytest.raises(Unavailable):
        await log.append(BATCH)

    assert [record.stream for record in shared.records] == [append.stream for append in BATCH[:kept]]
    assert log.happened[what] == 1


@pytest.mark.parametrize("what", ["crash_before", "crash_after", "torn_tail"])
async def test_after_a_crash_nothing_passes_and_others_go_on(what: What) -> None:
    log, shared = faulty(what)
    crashes: list[str] = []
    log._crashed = lambda: crashes.append(what)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await log.append(BATCH)
    with pytest.raises(Unavailable):
        await log.load({"run/default/a": 0})
    other = await FaultyLog(shared, Script()).append([sealed("run/default/z", EMPTY, content(1), 1)])

    assert crashes == [what]
    assert not isinstance(other[0], Conflict)


@pytest.mark.parametrize("what", ["lost_reply", "refusal"])
async def test_after_a_failed_append_the_next_one_is_judged_on_what_is_there(what: What) -> None:
    log, _ = faulty(what)
    with pytest.raises(Unavailable):
        await log.append(BATCH)
    answers = await log.append(BATCH)

    assert all(isinstance(answer, Conflict) for answer in answers) == (what == "lost_reply")


async def test_a_foreign_write_makes_a_true_conflict() -> None:
    shared = MemoryLog()
    first, second = row_of("run/default/a", 2)

    def foreign(append: Append) -> Append:
        return sealed(append.stream, append.expected, content(99), 1)

    log = FaultyLog(shared, Script({2: Fault("conflict")}), foreign=foreign)
    await log.append([first])
    (answer,) = await log.append([second])

    assert isinstance(answer, Conflict)
    assert [record.last for record in shared.records] == [1, 2]


async def test_a_paused_door_holds_a_call_and_lets_it_through_when_it_is_resumed() -> None:
    log, shared = faulty("slow_after")
    log.pause()
    held = -1
    async with anyio.create_task_group() as group:
        group.start_soon(log.append, BATCH)
        await anyio.wait_all_tasks_blocked()
        held = len(shared.records)
        log.resume()

    assert (held, len(shared.records)) == (0, len(BATCH))


async def test_a_call_on_its_way_through_a_paused_door_fails_when_the_door_is_cut() -> None:
    log, shared = faulty("slow_after")
    log.pause()

    async def append() -> None:
        with pytest.raises(Unavailable):
            await log.append(BATCH)

    async with anyio.create_task_group() as group:
        group.start_soon(append)
        await anyio.wait_all_tasks_blocked()
        log.cut()

    assert shared.records == []


async def test_a_read_that_follows_comes_through_the_door() -> None:
    log = FaultyLog(MemoryLog(), Script())
    await log.append(BATCH)
    found: list[str] = []
    with anyio.fail_after(5):
        async with aclosing(cast("AsyncGenerator[Record]", log.follow())) as records:
            async for record in records:
                found.append(record.stream)
                if len(found) == len(BATCH):
                    break

    assert found == [append.stream for append in BATCH]


def test_the_same_dice_give_the_same_faults_and_calm_ends_them() -> None:
    rates: dict[What, float] = {"refusal": 0.2, "slow_before": 0.5, "torn_tail": 0.3}
    plans = [Dice(Random(7), rates, unreadable=0.1) for _ in range(2)]
    drawn = [[plan.fault(number, BATCH) for number in range(50)] for plan in plans]
    plans[0].calm()

    assert drawn[0] == drawn[1]
    assert {fault.what for fault in drawn[0] if fault} == set(rates)
    assert [plans[0].fault(1, BATCH), plans[0].unreadable()] == [None, False]


def test_a_tear_waits_for_a_batch_that_can_be_torn() -> None:
    plan = Dice(Random(1), {"torn_tail": 1.0})

    assert plan.fault(1, BATCH[:1]) is None
    assert plan.fault(2, BATCH) is not None
