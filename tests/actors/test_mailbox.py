"""Mailboxes have a bound, waits a deadline: load beyond them is felt by the senders."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from perdure.actors.mailbox import Promise
from perdure.actors.settings import Settings
from perdure.eventlog.errors import Refused, Unavailable
from tests.actors.account import Look, Move, WatchedLog, opened, until

pytestmark = pytest.mark.anyio

STREAM = "account/default/ann"


async def test_a_full_mailbox_makes_its_senders_wait() -> None:
    log, sent = WatchedLog(), list[int]()
    log.shut()
    async with opened(log.carrier(), settings=Settings(mail_max=3)) as bank, anyio.create_task_group() as group:
        bank.dispatcher.post(STREAM, Move(1))
        await until(lambda: log.held)

        async def send_all() -> None:
            for number in range(10):
                await bank.dispatcher.tell(STREAM, Move(1))
                sent.append(number)

        group.start_soon(send_all)
        await until(lambda: bank.dispatcher.actors[STREAM].room)
        waiting, mail = len(sent), len(bank.dispatcher.actors[STREAM].mail)
        log.gate.set()
        await until(lambda: len(sent) == 10)

        assert (waiting, mail) == (3, 3)
        assert await bank.ask("ann", Look()) == 11


async def test_an_ask_that_finds_no_room_in_time_is_unavailable_and_leaves_nothing_behind() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier(), settings=Settings(mail_max=1)) as bank:
        bank.dispatcher.post(STREAM, Move(1))
        await until(lambda: log.held)
        bank.dispatcher.post(STREAM, Move(1))
        with pytest.raises(Unavailable, match="no answer in time") as caught:
            await bank.ask("ann", Move(100), within=0.01)
        log.gate.set()

        assert await bank.ask("ann", Look()) == 2
    assert (caught.value.where, caught.value.expected) == ("Move", "an answer within 0.01 s")


async def test_an_ask_whose_answer_does_not_come_in_time_is_unavailable_though_it_may_be_applied() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank:
        with pytest.raises(Unavailable, match="no answer in time"):
            await bank.ask("ann", Move(5), within=0.01)
        log.gate.set()

        assert await bank.ask("ann", Look()) == 5


async def test_more_callers_than_the_bound_are_turned_away_at_once() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier(), settings=Settings(asks_max=2)) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.ask, "ann", Move(1))
        group.start_soon(bank.ask, "bob", Move(1))
        await until(lambda: log.held)
        with pytest.raises(Unavailable, match="too many callers wait") as caught:
            await bank.ask("cid", Move(1))
        log.gate.set()

        assert (caught.value.expected, caught.value.found) == ("at most 2", "2")


async def test_a_caller_that_gives_up_frees_its_place() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier(), settings=Settings(asks_max=1)) as bank:
        with anyio.move_on_after(0.01):
            await bank.ask("ann", Move(1))
        log.gate.set()

        assert await bank.ask("ann", Look()) == 1


async def test_a_promise_is_kept_or_broken_once() -> None:
    promise = Promise()
    promise.keep(1)
    promise.keep(2)
    promise.breaks(Refused("too late"))

    assert await promise.wait() == 1


async def test_a_broken_promise_raises_for_who_waits_already() -> None:
    promise, caught = Promise(), list[Refused]()

    async def wait() -> None:
        try:
            await promise.wait()
        except Refused as refusal:
            caught.append(refusal)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        promise.breaks(Refused("no"))

    assert [error.message for error in caught] == ["no"]
