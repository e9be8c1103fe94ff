"""Steps with a queue: their attempts are left to queue workers, and whoever owns the run says what is wanted."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import step
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.perform.queueing import PUT_EVERY, TRIES
from perdure.runtime.run.commands import Cancel
from perdure.runtime.run.events import StepCompleted
from tests.laws.node import events_of, named, node, stream
from tests.runtime.perform.belt import Belt, hands_at, in_virtual_time, owner
from tests.runtime.perform.scenes import (
    asks_a_partner,
    both,
    bounded,
    cut,
    impatient,
    lasting,
    licensed,
    long,
    near,
    one,
    partner,
    render,
    shaky,
    stubborn,
    tokens,
)


def said_by(log: MemoryLog, run: str) -> list[str]:
    return [event.worker for event in events_of(log, run) if isinstance(event, StepCompleted)]


def test_a_step_with_a_queue_is_performed_by_a_worker_of_it_and_by_nobody_else() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, one, log=log) as runtime, hands_at(belt, render):
            assert await (await runtime.start(one, "sea", id="r")).result() == "sea by 1"
            assert runtime.pool.attempts == 0
            assert said_by(log, "r") == ["hands"]
            await belt.until(lambda: not belt.orders)
            assert (runtime.pool.flying, runtime.pool.queueing and runtime.pool.queueing.count) == (0, 0)

    in_virtual_time(main)


def test_what_is_away_takes_no_worker_of_the_node_that_serves_the_run() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, both, log=log, concurrency=1) as runtime:
            run = await runtime.start(both, "sea", id="r")
            await belt.until(lambda: said_by(log, "r") == ["owner"])
            assert len(belt.orders) == 2
            assert runtime.busy() == set()
            async with hands_at(belt, render):
                assert await run.result() == ["sea by 1", "sea by 1", "sea here"]

    in_virtual_time(main)


@pytest.mark.anyio
async def test_a_log_without_queues_performs_such_a_step_in_the_process() -> None:
    log = MemoryLog()
    async with node(log.carrier(), impatient) as runtime:
        assert await (await runtime.start(impatient, "sea", id="r")).result() == "sea"
        assert runtime.pool.attempts == 1


def test_a_failure_is_tried_again_as_the_step_says_and_each_attempt_is_an_order_of_its_own() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, stubborn, log=log) as runtime, hands_at(belt, shaky):
            assert await (await runtime.start(stubborn, "sea", id="r")).result() == "sea"
            assert named(log, "r").count("StepFailed") == 2
            assert belt.puts == 3

    in_virtual_time(main)


def test_an_order_that_workers_are_lost_with_is_poison_and_one_that_is_handed_back_is_not() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, lasting) as runtime:
            await runtime.start(lasting, "sea", id="r")
            order = await belt.one()
            for turn in range(3 * TRIES):
                assert (await belt.ask(order, "leaves", started=turn)).word == "begin"
                assert (await belt.ask(order, "leaves", "handed back", started=turn)).word == "later"
            words = [(await belt.ask(order, f"dies {turn}")).word for turn in range(TRIES + 1)]
            assert words == ["begin"] * TRIES + ["poison"]
            assert (await belt.ask(order, f"dies {TRIES}")).word == "poison"  # its answer was lost, so it asks again
            assert (await belt.ask(order, "another", "go on")).word == "begin"

    in_virtual_time(main)


def test_an_order_that_no_worker_understands_is_poison_in_the_end() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, one) as runtime, hands_at(belt, shaky) as hands:
            await runtime.start(one, "sea", id="r")
            order = await belt.one()
            await belt.until(lambda: hands.refused)
            assert "not known here" in hands.refused[0]
            words = [(await belt.ask(order, "strange", "not understood")).word for _ in range(TRIES)]
            assert words == ["later"] * (TRIES - 1) + ["poison"]

    in_virtual_time(main)


def test_a_cancelled_run_takes_its_order_back_and_ends_the_attempt() -> None:
    async def main() -> None:
        cut.clear()
        belt, log = Belt(), MemoryLog()
        async with owner(belt, lasting, log=log) as runtime, hands_at(belt, long) as hands:
            run = await runtime.start(lasting, "sea", id="r")
            order = await belt.one()
            await belt.until(lambda: hands.worker.pool.attempts)
            await run.cancel()
            await belt.until(lambda: cut)
            assert (belt.orders, len(belt.stopped)) == ({}, 1)
            assert (await belt.ask(order, "late")).word == "unwanted"
            with pytest.raises(perdure.RunError):
                await run.result()

    in_virtual_time(main)


def test_a_pause_takes_back_what_nobody_has_begun_and_leaves_what_runs() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, one, lasting, log=log) as runtime:
            waits, runs = await runtime.start(one, "sea", id="waits"), await runtime.start(lasting, "sky", id="runs")
            await belt.until(lambda: len(belt.orders) == 2)
            running = next(order for order in belt.orders.values() if order.stream == stream("runs"))
            waiting = next(order for order in belt.orders.values() if order.stream == stream("waits"))
            assert (await belt.ask(running, "w")).word == "begin"
            await waits.pause()
            await runs.pause()
            assert list(belt.orders.values()) == [running]
            assert (await belt.ask(waiting, "w")).word == "later"
            assert (await belt.ask(running, "another")).word == "later"
            await belt.tell(running, StepCompleted(running.id, 1, Raw(b'"done"'), 1, 2, "w"))
            await runs.resume()
            assert await runs.result() == "done"
            await waits.resume()
            belt.orders.pop((running.stream, running.id, 1, 0))
            assert await belt.one() == waiting

    in_virtual_time(main)


def test_who_waits_too_long_for_a_worker_has_failed() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, impatient) as runtime:
            run = await runtime.start(impatient, "sea")
            assert "no worker took it from queue 'gpu'" in str(await run.result())
            assert belt.orders == {}

    in_virtual_time(main)


def test_a_limit_gives_its_slot_before_the_order_is_put_and_has_it_back_with_the_outcome() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, bounded) as runtime, hands_at(belt, licensed):
            runs = [await runtime.start(bounded, str(n)) for n in range(5)]
            assert [await run.result() for run in runs] == ["0", "1", "2", "3", "4"]
            assert belt.most == 1

    in_virtual_time(main)


def test_a_slot_stays_with_an_attempt_that_outlives_the_owner_of_its_run() -> None:
    async def main() -> None:
        belt, log = Belt(), MemoryLog()
        async with owner(belt, bounded, log=log) as runtime:
            await runtime.start(bounded, "first", id="a")
            order = await belt.one()
            assert (await belt.ask(order, "w")).word == "begin"
            await runtime.start(bounded, "second", id="b")
        async with owner(belt, bounded, log=log, epoch=2) as runtime:
            await belt.until(lambda: belt.puts == 2)
            assert await belt.one() == order
            assert (await belt.ask(order, "w", "go on")).word == "begin"
            await belt.tell(order, StepCompleted(order.id, 1, Raw(b'"first"'), 1, 2, "w"))
            belt.orders.clear()
            async with hands_at(belt, licensed):
                assert [await runtime.run(id).result() for id in ("a", "b")] == ["first", "second"]

    in_virtual_time(main)


def test_an_order_that_was_lost_is_put_again() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, one) as runtime:
            run = await runtime.start(one, "sea")
            order = await belt.one()
            belt.orders.clear()
            await anyio.sleep(PUT_EVERY + 1)
            assert await belt.one() == order
            async with hands_at(belt, render):
                assert await run.result() == "sea by 1"

    in_virtual_time(main)


def test_an_attempt_on_a_bench_may_be_ended_from_outside() -> None:
    async def main() -> None:
        tokens.clear()
        belt = Belt()
        async with owner(belt, partner) as runtime, hands_at(belt, asks_a_partner):
            run = await runtime.start(partner, "sea")
            await belt.until(lambda: tokens and not belt.orders)
            assert runtime.pool.flying == 0
            await runtime.complete(tokens[0], "from outside")
            assert await run.result() == "from outside"

    in_virtual_time(main)


def test_queue_workers_can_say_nothing_to_a_run_but_what_became_of_its_steps() -> None:
    async def main() -> None:
        belt = Belt()
        async with owner(belt, one) as runtime:
            await runtime.start(one, "sea", id="r")
            order = await belt.one()
            with pytest.raises(perdure.Invalid, match="no such command"):
                await belt.tell(order, Cancel("mine"))
            for letter in (b"{", b'{"request":"look","run":"r"}'):
                assert b"declined" in await belt.say(letter)

    in_virtual_time(main)


def test_a_queue_is_a_plain_name_and_no_place_for_a_transaction() -> None:
    with pytest.raises(perdure.Invalid, match="plain name"):
        step(queue="gpu.large")(near.function)
    with pytest.raises(perdure.Invalid, match="cannot be transactional"):
        step(transactional=True, timeout=timedelta(seconds=1), queue="gpu")(lambda db: None)
