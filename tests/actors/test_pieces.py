"""A large turn in pieces: each is stored and let out by itself, beside the deciding of the next, and fails by itself."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from perdure.actors.storing import FEW, UNDER_WAY_MAX
from perdure.eventlog.errors import Conflict, Unavailable
from perdure.eventlog.records import Append, Tail, sealed
from tests.actors.account import Accounts, Look, Move, Moved, WatchedLog, opened, until

pytestmark = pytest.mark.anyio

NAMES = ("a", "b", "late", "d", "e", "f")
"""Three pieces of two."""


class Uneven(WatchedLog):
    """Appends wait only together with that of `late`, which may be refused once."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False
        self.streams_of: list[list[str]] = []

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self.streams_of.append([append.stream.rpartition("/")[2] for append in appends])
        if "late" not in self.streams_of[-1]:
            return await super(WatchedLog, self).append(appends)
        await self.gate.wait()
        if self.refuses:
            self.refuses = False
            raise Unavailable("the disk is full")
        return await super().append(appends)


def stream(name: str) -> str:
    return f"account/default/{name}"


async def test_a_piece_is_let_out_while_another_is_still_being_stored() -> None:
    log = Uneven()
    log.shut()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 2
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == 4)
        assert {who for who, _ in bank.kind.performed} == {stream(name) for name in ("a", "b", "e", "f")}

        bank.dispatcher.post(stream("a"), Move(1))  # comes while the turn is under way: the next one
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert sorted(log.streams_of) == [["a", "b"], ["e", "f"], ["late", "d"]]
        log.gate.set()

        assert [await bank.ask(name, Look()) for name in NAMES] == [2, 1, 1, 1, 1, 1]
    assert log.streams_of[3:] == [["a"]]


async def test_the_next_turn_begins_beside_a_piece_that_is_being_stored_once_it_is_worth_one() -> None:
    log = Uneven()
    log.shut()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 2
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == 4)

        for name in ("a", "late", "f"):  # of `late` an append is under way: what it has to say is for later
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == 6)
        assert log.streams_of[3:] == [["a", "f"]]
        assert bank.dispatcher.deciding() == [stream("late"), stream("d")]
        log.gate.set()

        assert [await bank.ask(name, Look()) for name in NAMES] == [2, 1, 2, 1, 1, 2]
    assert log.streams_of[4:] == [["late"]]


async def test_so_many_pieces_may_be_under_way_and_no_more() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 1
        for number in range(3 * UNDER_WAY_MAX):
            bank.dispatcher.post(stream(str(number)), Move(1))
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
        assert log.held == UNDER_WAY_MAX
        log.gate.set()
        await until(lambda: len(bank.kind.performed) == 3 * UNDER_WAY_MAX)


async def test_mail_for_a_piece_that_fails_is_judged_behind_it_again() -> None:
    log = Uneven()
    log.shut()
    log.refuses = True
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 2
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == 4)
        for name in ("a", "late", "f"):
            bank.dispatcher.post(stream(name), Move(5))
        await until(lambda: len(bank.kind.performed) == 6)
        log.gate.set()

        assert [await bank.ask(name, Look()) for name in NAMES] == [6, 1, 6, 1, 1, 6]
    assert not bank.dispatcher.conflicts


async def test_draining_waits_for_what_is_stored_beside() -> None:
    log = Uneven()
    log.shut()
    drained = anyio.Event()
    async with opened(log.carrier()) as bank, anyio.create_task_group() as group:
        bank.dispatcher.storing.piece = 2
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == 4)

        async def drain() -> None:
            await bank.dispatcher.drain()
            drained.set()

        group.start_soon(drain)
        await anyio.sleep(0.02)
        assert not drained.is_set()
        log.gate.set()
        await drained.wait()
        assert len(bank.kind.performed) == 6


async def test_a_piece_that_is_not_stored_takes_no_other_with_it() -> None:
    log = Uneven()
    log.refuses = True
    answers: dict[str, int | Exception] = {}
    async with opened(log.carrier()) as bank, anyio.create_task_group() as group:
        bank.dispatcher.storing.piece = 2

        async def one(name: str) -> None:
            try:
                answers[name] = await bank.ask(name, Move(3))
            except Unavailable as error:
                answers[name] = error

        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
            group.start_soon(one, name)
        await until(lambda: len(answers) == len(NAMES))

        unknown = {name for name, answer in answers.items() if isinstance(answer, Unavailable)}
        assert unknown <= {"late", "d"}
        assert {name: await bank.ask(name, Look()) for name in NAMES} == {name: 1 if name in unknown else 4 for name in NAMES}


async def test_a_conflict_in_a_piece_is_that_of_its_own_actor() -> None:
    log = Uneven()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 2
        for name in NAMES:
            await bank.ask(name, Move(100))
        tail = log.streams[stream("e")][-1].tail
        await log.append([sealed(stream("e"), tail, Accounts.codec.encode(2_000_000, 1, [Moved(-70)]), 1)])
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(-30))

        assert [await bank.ask(name, Look()) for name in NAMES] == [70, 70, 70, 70, 0, 70]
        assert bank.dispatcher.conflicts == 1
        assert bank.kind.forgotten == [stream("e")]


async def test_a_turn_that_is_smaller_than_two_pieces_is_one_append() -> None:
    log = Uneven()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = 4
        for name in NAMES:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == len(NAMES))

    assert log.streams_of == [list(NAMES)]


async def test_a_turn_that_is_less_than_a_piece_does_not_hold_up_one_that_is_ready_meanwhile() -> None:
    log = Uneven()
    log.shut()
    first, second = ["late", *map(str, range(FEW))], [f"x{number}" for number in range(FEW + 4)]
    async with opened(log.carrier()) as bank:
        bank.dispatcher.storing.piece = len(second)
        for name in first:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: log.streams_of)
        for name in second:
            bank.dispatcher.post(stream(name), Move(1))
        await until(lambda: len(bank.kind.performed) == len(second))
        log.gate.set()
        await until(lambda: len(bank.kind.performed) == len(first) + len(second))

    assert log.streams_of == [first, second]
