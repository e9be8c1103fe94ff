"""One writer by compare-and-append, never by lease.

Two nodes may compute, one can commit; no append of an older epoch after the first of a newer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import perdure
from perdure import PerdureError, Unavailable, step, workflow
from perdure.actors.dispatcher import Dispatcher
from perdure.actors.ports import OwnsAll
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Tail
from perdure.runtime.run.events import CODEC
from tests.actors.account import Accounts, Hands, Look, Move
from tests.laws.node import AT_ONCE, PATIENCE, Bench, named, node, stream, until

pytestmark = pytest.mark.anyio

ANN = "account/default/ann"


def epochs(log: MemoryLog, name: str) -> list[int]:
    """Under which epoch each record of a stream was written."""
    codec = Accounts.codec if name.startswith("account") else CODEC
    return [codec.decode(record.data).epoch for record in log.streams[name]]


class Quiet(Accounts):
    """Accounts that write nothing down when their owner changes."""

    codec = Accounts.codec

    def claim(self, state: Any, owner: str, epoch: int) -> Sequence[Any]:
        return ()


def dispatcher(log: MemoryLog, epoch: int, kind: Accounts | None = None) -> Dispatcher:
    carrier = log.carrier(epoch)
    return Dispatcher(log, carrier.snapshots, {"account": kind or Accounts()}, Hands(), OwnsAll(f"node {epoch}", epoch))


async def test_two_dispatchers_on_one_log_and_only_the_newer_commits() -> None:
    log = MemoryLog()
    older, newer = dispatcher(log, 1), dispatcher(log, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(older.run)
        group.start_soon(newer.run)
        assert await older.ask(ANN, Move(10)) == 10
        assert await newer.ask(ANN, Move(5)) == 15
        before = len(log.records)
        with pytest.raises(Unavailable, match="another node owns the stream"):
            await older.ask(ANN, Move(100))
        with pytest.raises(Unavailable, match="another node owns the stream"):
            await older.ask(ANN, Look())

        assert len(log.records) == before
        assert await newer.ask(ANN, Look()) == 15
        group.cancel_scope.cancel()
    assert older.conflicts == 1
    assert epochs(log, ANN) == sorted(epochs(log, ANN))


async def tails(log: MemoryLog, streams: Sequence[str]) -> dict[str, Tail]:
    return {stream: log.streams[stream][-1].tail for stream in streams if stream in log.streams}


async def test_an_answer_of_the_newer_knows_what_the_older_wrote_at_the_last_moment() -> None:
    log = MemoryLog()
    older, newer = dispatcher(log, 1, Quiet()), dispatcher(log, 2, Quiet())
    newer.storing.newest = partial(tails, log)
    async with anyio.create_task_group() as group:
        group.start_soon(older.run)
        group.start_soon(newer.run)
        assert await older.ask(ANN, Move(10)) == 10
        assert await newer.ask(ANN, Look()) == 10  # it is awake there, and nothing of the newer epoch is written
        assert await older.ask(ANN, Move(5)) == 15

        assert await newer.ask(ANN, Look()) == 15
        group.cancel_scope.cancel()


async def test_an_older_owner_refuses_nothing_that_the_newer_might_grant() -> None:
    log, said = MemoryLog(), list[str]()
    older, newer = dispatcher(log, 1), dispatcher(log, 2)
    older.storing.newest = newer.storing.newest = partial(tails, log)
    async with anyio.create_task_group() as group:
        group.start_soon(older.run)
        group.start_soon(newer.run)
        assert await older.ask(ANN, Move(10)) == 10
        assert await newer.ask(ANN, Move(90)) == 100
        for node in (older, newer):
            try:
                await node.ask(ANN, Move(-50))
                said.append("granted")
            except PerdureError as error:
                said.append(type(error).__name__)
        group.cancel_scope.cancel()

    assert said == ["Unavailable", "granted"]


class Regained(OwnsAll):
    """Ownership that is lost and won again."""

    now = 1

    def epoch(self, stream: str) -> int:
        return self.now


async def test_what_is_won_again_is_folded_anew_whatever_is_in_memory() -> None:
    log, ownership = MemoryLog(), Regained("first", 1)
    first = Dispatcher(log, log.carrier(1).snapshots, {"account": Quiet()}, Hands(), ownership)
    second = dispatcher(log, 2, Quiet())
    async with anyio.create_task_group() as group:
        group.start_soon(first.run)
        group.start_soon(second.run)
        assert await first.ask(ANN, Move(10)) == 10
        assert await second.ask(ANN, Move(5)) == 15
        ownership.now = 3

        assert await first.ask(ANN, Look()) == 15
        group.cancel_scope.cancel()


async def test_many_wishes_at_both_nodes_and_none_of_an_older_epoch_lands_late() -> None:
    log, kept = MemoryLog(), list[str]()
    older, newer = dispatcher(log, 1), dispatcher(log, 2)

    async def wish(at: Dispatcher, cents: int) -> None:
        try:
            await at.ask(ANN, Move(cents))
        except Unavailable:
            return
        kept.append(f"{cents}")

    total = 0
    async with anyio.create_task_group() as serving:
        serving.start_soon(older.run)
        serving.start_soon(newer.run)
        async with anyio.create_task_group() as wishing:
            for number in range(40):
                wishing.start_soon(wish, older if number % 2 else newer, number + 1)
                if number % 4 == 0:
                    await anyio.lowlevel.checkpoint()
        total = await newer.ask(ANN, Look())
        serving.cancel_scope.cancel()

    assert epochs(log, ANN) == sorted(epochs(log, ANN))
    assert total == sum(int(cents) for cents in kept), "each wish that was answered counts once, and no other"


async def test_who_lost_a_run_answers_unavailable_and_stops_its_steps() -> None:
    bench, log = Bench(), MemoryLog()

    @step
    async def slow() -> str:
        return await bench.held("slow")

    @workflow
    async def flow() -> str:
        return await slow() + await perdure.signal("end", str)

    async with node(log.carrier(1), flow, owner="older", settings=AT_ONCE) as older:
        await older.start(flow, id="r")
        await until(lambda: bench.begun)
        async with node(log.carrier(2), flow, owner="newer") as newer:
            await until(lambda: 2 in bench.attempts.values())
            with pytest.raises(Unavailable, match="another node owns"):
                await older.run("r").cancel()
            await until(lambda: bench.cancelled)
            bench.go.set()
            await newer.run("r").signal("end", "!")

            assert await newer.run("r").result(within=PATIENCE) == "slow!"
    assert epochs(log, stream("r")) == sorted(epochs(log, stream("r")))
    assert set(epochs(log, stream("r"))) == {1, 2}
    assert "CancelRequested" not in named(log, "r")


async def test_an_outcome_that_comes_back_to_the_loser_is_not_recorded() -> None:
    bench, log = Bench(), MemoryLog()

    @step
    async def slow() -> str:
        return await bench.held("slow")

    @workflow
    async def flow() -> str:
        return await slow()

    async with node(log.carrier(1), flow, owner="older", settings=AT_ONCE) as older:
        run = await older.start(flow, id="r")
        await until(lambda: bench.begun)
        async with node(log.carrier(2), flow, owner="newer") as newer:
            await until(lambda: 2 in bench.attempts.values())
            bench.go.set()

            assert await newer.run("r").result(within=PATIENCE) == "slow"
            with pytest.raises(Unavailable):
                await run.result(within=PATIENCE)
    assert named(log, "r").count("StepCompleted") == 1
    assert epochs(log, stream("r"))[-1] == 2
