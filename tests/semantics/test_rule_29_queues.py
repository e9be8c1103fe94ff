"""Rule 29: an attempt that is left to a task queue is at least once, its key stays the same, and its outcome is recorded once."""

from __future__ import annotations

from msgspec import Raw

from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.run.commands import StepBroke
from perdure.runtime.run.events import StepCompleted, StepFailed, StepHeartbeat, StepStarted
from tests.laws.node import events_of, named
from tests.runtime.perform.belt import Belt, hands_at, in_virtual_time, owner
from tests.runtime.perform.scenes import lasting, long, mission, one, render


def test_an_attempt_is_handed_to_another_worker_with_the_same_key_and_what_was_told_last() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, lasting) as runtime:
            run = await runtime.start(lasting, "sea", id="r")
            order = await belt.one()
            assert (await belt.ask(order, "first")).word == "begin"
            await belt.tell(order, StepHeartbeat(order.id, order.attempt, Raw(b"41")))
            async with hands_at(belt, long):
                assert await run.result() == "sea after 41"

    in_virtual_time(main)


def test_whoever_recovers_the_run_finds_the_order_in_its_queue() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, one, log=log, killed=True) as runtime:
            await runtime.start(one, "sea", id="r")
            order = await belt.one()
        async with owner(belt, one, log=log, epoch=2) as runtime, hands_at(belt, render):
            assert await runtime.run("r").result() == "sea by 1"
            assert belt.most == 1
            assert order.attempt == 1

    in_virtual_time(main)


def test_an_attempt_that_must_not_be_begun_twice_is_not_given_to_a_second_worker() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, mission, log=log) as runtime:
            run = await runtime.start(mission, "vega", id="r")
            order = await belt.one()
            assert (await belt.ask(order, "first", started=7)).word == "begin"
            assert (await belt.ask(order, "first", started=7)).word == "begin"
            assert (await belt.ask(order, "second")).word == "unwanted"
            assert await run.result() == "look for vega"
            assert [event.worker for event in events_of(log, "r") if isinstance(event, StepStarted | StepFailed)] == ["first", "first"]
            assert runtime.pool.flying == 0

    in_virtual_time(main)


def test_a_late_outcome_changes_nothing() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, one, log=log) as runtime:
            run = await runtime.start(one, "sea", id="r")
            order = await belt.one()
            for value in (b'"first"', b'"second"'):
                await belt.tell(order, StepCompleted(order.id, 1, Raw(value), 1, 2, "w"))
            await belt.tell(order, StepBroke(order.id, 1, Failure("OSError", "late"), 1, 2, "w", None))
            assert await run.result() == "first"
            assert named(log, "r").count("StepCompleted") == 1

    in_virtual_time(main)
