"""Turns: what is decided together is written together, and nothing leaves before it is durable."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
import anyio.lowlevel
import pytest

from perdure.actors.passivating import weight
from perdure.actors.ports import OwnsAll
from perdure.actors.ref import Ref
from perdure.actors.settings import Settings
from perdure.eventlog.errors import Bug, Refused, Unavailable
from perdure.eventlog.faults import Fault, FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import sealed
from tests.actors.account import Accounts, Bank, Look, Move, Moved, Trip, WatchedLog, opened, until

pytestmark = pytest.mark.anyio


async def gathered(bank: Bank, wishes: Mapping[str, Move | Look]) -> dict[str, int]:
    """Ask many at once."""
    answers: dict[str, int] = {}

    async def one(name: str, wish: Move | Look) -> None:
        answers[name] = await bank.ask(name, wish)

    async with anyio.create_task_group() as group:
        for name, wish in wishes.items():
            group.start_soon(one, name, wish)
    return answers


async def failure(bank: Bank, name: str, wish: Move | Look | Trip, kept: list[Exception]) -> None:
    try:
        await bank.ask(name, wish)
    except Exception as error:
        kept.append(error)


async def test_an_ask_answers_what_its_command_led_to() -> None:
    async with opened() as bank:
        assert await bank.ask("ann", Move(500)) == 500
        assert await bank.ask("ann", Move(-200)) == 300
        assert await bank.ask("ann", Look()) == 300


async def test_a_tell_is_applied_in_the_order_of_its_arrival() -> None:
    async with opened() as bank:
        ann: Ref[Move | Look, int] = Ref(bank.dispatcher, "account/default/ann")
        await ann.tell(Move(10))
        await ann.tell(Move(-10))

        assert repr(ann) == "Ref('account/default/ann')"
        assert await ann.ask(Look()) == 0


async def test_what_many_actors_decide_in_a_turn_is_one_append() -> None:
    log = WatchedLog()
    async with opened(log.carrier()) as bank:
        for number in range(300):
            bank.dispatcher.post(f"account/default/a{number}", Move(number))
        answers = await gathered(bank, {f"a{number}": Look() for number in range(300)})

    assert answers == {f"a{number}": number for number in range(300)}
    assert log.sizes == [300]


async def test_mail_that_comes_during_an_append_is_the_next_turn() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.ask, "ann", Move(1))
        await until(lambda: log.held)
        for _ in range(10):
            group.start_soon(bank.ask, "ann", Move(1))
            group.start_soon(bank.ask, "bob", Move(1))
        await until(lambda: "account/default/bob" in bank.dispatcher.actors)
        await until(lambda: len(bank.dispatcher.actors["account/default/bob"].mail) == 10)
        log.gate.set()

    assert log.sizes == [1, 2]


async def test_a_refusal_is_answered_only_once_the_turn_it_was_decided_in_is_durable() -> None:
    """The refusal may rest on an event of the same turn: it must not be known before that is true."""
    log, kept, early = WatchedLog(), list[Exception](), list[Exception]()
    log.shut()
    async with opened(log.carrier()) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.ask, "ann", Move(5))
        group.start_soon(failure, bank, "ann", Move(-9), kept)
        await until(lambda: log.held)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        early += kept
        log.gate.set()

    assert early == []
    assert [type(error) for error in kept] == [Refused]
    assert set(bank.kind.performed) == {("account/default/ann", 5)}  # once, or twice where the letters came in two turns


async def test_nothing_is_performed_before_it_is_durable() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.post("account/default/ann", Move(5))
        await until(lambda: log.held)

        assert bank.kind.performed == []
        log.gate.set()
        await until(lambda: bank.kind.performed)


async def test_a_conflict_makes_the_actor_forget_refold_and_decide_again() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        await bank.ask("ann", Move(100))
        stream = log.streams["account/default/ann"]
        data = Accounts.codec.encode(2_000_000, 1, [Moved(-70)])
        await log.append([sealed("account/default/ann", stream[-1].tail, data, 1)])

        with pytest.raises(Refused, match="not enough money"):
            await bank.ask("ann", Move(-50))
        assert await bank.ask("ann", Move(-30)) == 0
        assert bank.dispatcher.conflicts == 1
        assert bank.kind.forgotten == ["account/default/ann"]


async def test_the_first_of_two_writers_wins_and_the_other_decides_on_what_is_true() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as one, opened(log.carrier()) as other:
        await one.ask("ann", Move(100))
        assert await other.ask("ann", Look()) == 100
        await one.ask("ann", Move(-70))

        with pytest.raises(Refused, match="not enough money"):
            await other.ask("ann", Move(-50))
        assert other.dispatcher.conflicts == 1
        assert other.kind.forgotten == ["account/default/ann"]
        assert await one.ask("ann", Look()) == 30


async def test_an_exception_from_the_log_is_unavailable_to_who_asked_and_own_commands_stay() -> None:
    door = FaultyLog(MemoryLog(), Script({1: Fault("lost_reply")}))
    kept = list[Exception]()
    async with opened(door.carrier()) as bank, anyio.create_task_group() as group:
        bank.dispatcher.post("account/default/ann", Move(7))
        group.start_soon(failure, bank, "ann", Move(1), kept)
        await until(lambda: kept)

        assert [type(error) for error in kept] == [Unavailable]
        # what was on the disk counts once (8), and the own command, which carries no id here, is judged again
        assert await bank.ask("ann", Look()) == 15


async def test_a_log_that_is_away_for_a_while_is_met_again() -> None:
    door = FaultyLog(MemoryLog(), Script({n: Fault("refusal") for n in (1, 2, 3)}))
    async with opened(door.carrier()) as bank:
        bank.dispatcher.post("account/default/ann", Move(7))
        await until(lambda: bank.kind.performed)

    assert bank.kind.performed == [("account/default/ann", 7)]
    assert door.happened["refusal"] == 3


async def test_code_of_a_kind_that_raises_is_a_bug_to_who_asked_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    kept = list[Exception]()
    with caplog.at_level(logging.CRITICAL, "perdure.actors"):
        async with opened() as bank, anyio.create_task_group() as group:
            await bank.ask("ann", Move(3))
            group.start_soon(failure, bank, "ann", Trip(), kept)
            group.start_soon(bank.ask, "ann", Move(4))
            group.start_soon(bank.ask, "bob", Move(5))
            await until(lambda: kept)

            assert await bank.ask("ann", Look()) == 7
            assert await bank.ask("bob", Look()) == 5
    assert [(type(error), error.where) for error in kept if isinstance(error, Bug)] == [(Bug, "Trip")]


@pytest.mark.parametrize("where", ["decide", "evolve"])
async def test_an_actor_that_breaks_more_often_than_its_intensity_is_given_up(where: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(restarts_max=2, restart_seconds=60)
    with caplog.at_level(logging.CRITICAL, "perdure.actors"):
        async with opened(settings=settings) as bank:
            await bank.ask("ann", Move(3))
            for _ in range(3):
                with pytest.raises(Bug, match="own code failed"):
                    await bank.ask("ann", Trip(where))

            with pytest.raises(Bug, match="own code failed"):
                await bank.ask("ann", Look())
            assert set(bank.kind.lost) == {"account/default/ann"}
            assert await bank.ask("bob", Move(1)) == 1


async def test_failures_older_than_the_period_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(restarts_max=1, restart_seconds=10)
    with caplog.at_level(logging.CRITICAL, "perdure.actors"):
        async with opened(settings=settings) as bank:
            await bank.ask("ann", Move(3))
            for _ in range(4):
                with pytest.raises(Bug):
                    await bank.ask("ann", Trip())
                bank.clock.time += 11_000_000

            assert await bank.ask("ann", Look()) == 3


class Contested(OwnsAll):
    """Ownership that may go to another node and come back under a higher epoch."""

    lost = False

    def epoch(self, stream: str) -> int | None:
        return None if self.lost else super().epoch(stream)

    def renew(self, epoch: int) -> None:
        self.lost, self._epoch = False, epoch


async def test_a_node_that_does_not_own_a_stream_turns_its_mail_away() -> None:
    ownership = Contested("one", 1)
    async with opened(ownership=ownership) as bank:
        await bank.ask("ann", Move(3))
        ownership.lost = True

        with pytest.raises(Unavailable, match="another node owns the stream"):
            await bank.ask("ann", Move(3))
        assert bank.kind.lost == bank.kind.forgotten == ["account/default/ann"]


async def test_an_older_epoch_than_the_logs_decides_nothing() -> None:
    """Law 6: no append of an older epoch after the first of a newer one."""
    log = MemoryLog()
    async with opened(log.carrier(), ownership=OwnsAll("new", 2)) as new:
        await new.ask("ann", Move(3))
    async with opened(log.carrier(), ownership=OwnsAll("old", 1)) as old:
        with pytest.raises(Unavailable, match="another node owns the stream"):
            await old.ask("ann", Move(3))

    assert len(log.records) == 1


async def test_a_new_owner_says_so_before_it_decides_anything_else() -> None:
    log = MemoryLog()
    async with opened(log.carrier(), ownership=OwnsAll("one", 1)) as one:
        await one.ask("ann", Move(3))
    async with opened(log.carrier(), ownership=OwnsAll("two", 2)) as two:
        assert await two.ask("ann", Move(4)) == 7
        assert await two.ask("ann", Move(4)) == 11

    batches = [Accounts.codec.decode(record.data) for record in log.records]
    assert [[type(event).__name__ for event in batch.events] for batch in batches] == [["Moved"], ["Claimed", "Moved"], ["Moved"]]
    assert [batch.epoch for batch in batches] == [1, 2, 2]


async def test_time_never_goes_back_within_a_stream() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        await bank.ask("ann", Move(1))
        bank.clock.time -= 500_000
        await bank.ask("ann", Move(1))

    assert [Accounts.codec.decode(record.data).at for record in log.records] == [1_000_000, 1_000_000]


async def test_passivation_forgets_who_is_idle_and_mail_wakes_them() -> None:
    log = WatchedLog()
    async with opened(log.carrier()) as bank:
        await gathered(bank, {"ann": Move(1), "bob": Move(2)})
        assert await bank.dispatcher.passivate() == 2
        assert bank.dispatcher.actors == {}

        assert await bank.ask("ann", Move(1)) == 2
        assert await bank.ask("bob", Look()) == 2
    assert bank.dispatcher.passivated == 2


async def test_passivation_spares_who_had_a_turn_since() -> None:
    async with opened() as bank:
        await bank.ask("ann", Move(1))
        mark = bank.dispatcher.turns
        await bank.ask("bob", Move(1))

        assert await bank.dispatcher.passivate(untouched_since=mark) == 1
        assert list(bank.dispatcher.actors) == ["account/default/bob"]


async def test_where_too_much_is_held_idle_actors_leave_the_longest_untouched_first() -> None:
    async with opened() as bank:
        await bank.ask("ann", Move(1))
        each, log_bytes = weight(bank.dispatcher), bank.dispatcher.held
    async with opened(settings=Settings(held_bytes_max=2 * each + each // 2)) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.dispatcher.crowding.wait)  # ends once the third is held, and the task group with it
        await anyio.wait_all_tasks_blocked()
        for name in ("ann", "bob", "cid"):
            await bank.ask(name, Move(1))
        await bank.dispatcher.passivate(untouched_since=0)

        assert list(bank.dispatcher.actors) == ["account/default/bob", "account/default/cid"]
        assert (weight(bank.dispatcher), bank.dispatcher.held) == (2 * each, 2 * log_bytes)

        assert await bank.ask("ann", Move(1)) == 2
        await bank.dispatcher.passivate()
        assert bank.dispatcher.held == 0


async def test_draining_takes_no_more_commands_and_ends_with_the_last_mail() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.ask, "ann", Move(1))
        await until(lambda: log.held)
        bank.dispatcher.close()
        with pytest.raises(Unavailable, match="takes no more commands"):
            await bank.ask("ann", Move(1))
        with pytest.raises(Unavailable, match="takes no more commands"):
            await bank.dispatcher.tell("account/default/ann", Move(1))
        log.gate.set()
        await bank.dispatcher.drain()

        assert bank.dispatcher.actors["account/default/ann"].mail == []
    assert len(log.records) == 1


async def test_an_unknown_kind_is_named_together_with_the_known_ones() -> None:
    async with opened() as bank:
        with pytest.raises(Bug, match="no such kind of actor") as caught:
            await bank.dispatcher.ask("acount/default/ann", Look())

    assert (caught.value.expected, caught.value.found) == ("one of account", "acount")
