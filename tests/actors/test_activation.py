"""Activation: folded from the log, from a snapshot where one fits; what does not hold stops its own actor alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from perdure.actors import passivating
from perdure.actors.activation import ACTIVATED_AT_ONCE, SNAPSHOT_BYTES, SNAPSHOT_EVENTS, snapshot_of
from perdure.actors.mailbox import Actor
from perdure.eventlog.errors import Corrupt, Invalid
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Record, sealed
from perdure.eventlog.snapshots import Snapshot
from tests.actors.account import Accounts, Look, Move, State, WatchedLog, opened, until

pytestmark = pytest.mark.anyio

STREAM = "account/default/ann"


async def test_an_actor_without_a_stream_begins_at_its_initial_state() -> None:
    log = WatchedLog()
    async with opened(log.carrier()) as bank:
        assert await bank.ask("ann", Look()) == 0

    assert log.loaded == [{STREAM: 0}]
    assert log.records == []


async def test_many_cold_actors_are_read_in_batches() -> None:
    log = WatchedLog()
    async with opened(log.carrier()) as bank:
        for number in range(ACTIVATED_AT_ONCE + 5):
            bank.dispatcher.post(f"account/default/a{number}", Look())
        await bank.ask("last", Look())

    assert [len(after) for after in log.loaded[:2]] == [ACTIVATED_AT_ONCE, 6]


async def test_a_long_stream_leaves_a_snapshot_and_wakes_from_it() -> None:
    log = WatchedLog()
    async with opened(log.carrier()) as bank:
        for _ in range(SNAPSHOT_EVENTS):
            bank.dispatcher.post(STREAM, Move(1))
        await bank.ask("ann", Look())
        await bank.dispatcher.passivate()
        kept = log.snapshots[STREAM]
        assert await bank.ask("ann", Move(1)) == SNAPSHOT_EVENTS + 1

    assert (kept.tail.version, kept.intact) == (SNAPSHOT_EVENTS, True)
    assert log.loaded[-1] == {STREAM: SNAPSHOT_EVENTS}


async def test_a_short_stream_leaves_none() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        for _ in range(SNAPSHOT_EVENTS - 1):
            bank.dispatcher.post(STREAM, Move(1))
        await bank.ask("ann", Look())
        await bank.dispatcher.passivate()

    assert log.snapshots == {}


async def test_a_snapshot_counts_the_tail_behind_the_last_one() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        for extra in (SNAPSHOT_EVENTS, SNAPSHOT_EVENTS - 1, 1):
            for _ in range(extra):
                bank.dispatcher.post(STREAM, Move(1))
            await bank.ask("ann", Look())
            await bank.dispatcher.passivate()

    assert log.snapshots[STREAM].tail.version == 2 * SNAPSHOT_EVENTS


def test_few_but_large_events_are_worth_a_snapshot_too() -> None:
    actor = Actor(STREAM, Accounts())
    actor.state = Accounts().initial(STREAM)
    actor.bytes = SNAPSHOT_BYTES

    assert snapshot_of(actor) is not None
    assert snapshot_of(actor) is None


@pytest.mark.parametrize("damage", ["bytes", "version", "shape"])
async def test_a_snapshot_that_does_not_fit_is_passed_over(damage: str) -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        for _ in range(SNAPSHOT_EVENTS):
            bank.dispatcher.post(STREAM, Move(1))
        await bank.ask("ann", Look())
        await bank.dispatcher.passivate()
        kept = log.snapshots[STREAM]
        log.snapshots[STREAM] = {
            "bytes": msgspec.structs.replace(kept, data=kept.data.replace(b"100", b"999")),
            "version": Snapshot.of(STREAM, kept.tail, 2, kept.data),
            "shape": Snapshot.of(STREAM, kept.tail, 1, b"{}"),
        }[damage]

        assert await bank.ask("ann", Look()) == SNAPSHOT_EVENTS


async def broken(log: MemoryLog, record: Record) -> None:
    """Change what is stored of a record, as a disk might."""
    log.streams[record.stream][record.first - 1] = msgspec.structs.replace(record, data=record.data.replace(b"100", b"900"))


async def test_a_broken_chain_stops_its_own_actor_and_no_other() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        await bank.ask("ann", Move(100))
        await bank.ask("bob", Move(100))
    await broken(log, log.streams[STREAM][0])
    async with opened(log.carrier()) as bank:
        with pytest.raises(Corrupt, match="the chain of a stream does not hold") as caught:
            await bank.ask("ann", Look())
        with pytest.raises(Corrupt):
            await bank.ask("ann", Move(1))
        assert await bank.ask("bob", Move(1)) == 101

    assert (caught.value.who, caught.value.where) == (STREAM, "version 1, position 1")
    assert len(log.streams[STREAM]) == 1


async def test_an_event_of_a_newer_build_stops_its_own_actor_and_no_other() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        await bank.ask("ann", Move(100))
        data = b'{"at":1,"epoch":1,"events":[{"type":"Frozen"}]}'
        await log.append([sealed(STREAM, log.streams[STREAM][-1].tail, data, 1)])
        await bank.dispatcher.passivate()

        with pytest.raises(Invalid, match="an event that this build cannot read") as caught:
            await bank.ask("ann", Look())
        assert await bank.ask("bob", Move(1)) == 1
    assert caught.value.expected == "one of Claimed, Moved"


async def test_a_repaired_stream_is_read_again_once_its_actor_was_passivated() -> None:
    log = MemoryLog()
    async with opened(log.carrier()) as bank:
        await bank.ask("ann", Move(100))
        whole = log.streams[STREAM][0]
        await broken(log, whole)
        await bank.dispatcher.passivate()
        with pytest.raises(Corrupt):
            await bank.ask("ann", Look())
        log.streams[STREAM][0] = whole
        await bank.dispatcher.passivate()

        assert await bank.ask("ann", Look()) == 100


class HolesLog(MemoryLog):
    """A log of which a part cannot be read at all: whoever asks for a stream in it gets nothing, whatever else was asked for."""

    async def load(self, after: Mapping[str, int]) -> Mapping[str, Sequence[Record]]:
        if STREAM in after:
            raise Corrupt("the log file is damaged", who="a log with holes")
        return await super().load(after)


async def test_a_part_that_cannot_be_read_stops_the_actors_in_it_and_no_other() -> None:
    log = HolesLog()
    async with opened(log.carrier()) as bank:
        bank.dispatcher.post(STREAM, Move(1))
        assert await bank.ask("bob", Look()) == 0
        with pytest.raises(Corrupt, match="the log file is damaged"):
            await bank.ask("ann", Look())


class Busy(Accounts):
    """Accounts with something in flight."""

    def idle(self, state: State) -> bool:
        return False


async def test_an_actor_that_is_not_idle_has_a_snapshot_once_its_log_is_long() -> None:
    log = MemoryLog()
    async with opened(log.carrier(), kind=Busy()) as bank:
        for extra in (SNAPSHOT_EVENTS - 1, 1, 1):
            for _ in range(extra):
                bank.dispatcher.post(STREAM, Move(1))
            await bank.ask("ann", Look())
            assert await bank.dispatcher.passivate() == 0

    assert log.snapshots[STREAM].tail.version == SNAPSHOT_EVENTS


async def test_where_reading_is_dear_one_that_stands_still_has_a_snapshot_of_whatever_there_is() -> None:
    log = MemoryLog()
    async with opened(log.carrier(), kind=Busy()) as bank:
        bank.dispatcher.reading_is_dear = True
        for name, cents in (("ann", 3), ("bob", 5)):
            await bank.ask(name, Move(cents))
        mark = bank.dispatcher.turns
        await bank.ask("bob", Move(1))
        await bank.dispatcher.passivate(untouched_since=mark)

        assert log.snapshots.keys() == {STREAM}
        first = log.snapshots[STREAM]
        await bank.dispatcher.passivate()
        assert log.snapshots[STREAM] is first, "there is nothing new to keep"
        assert log.snapshots["account/default/bob"].tail.version == 2
    async with opened(log.carrier()) as bank:
        assert await bank.ask("ann", Look()) == 3


async def test_those_that_have_a_snapshot_of_all_there_is_keep_nobody_from_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SNAPSHOTS_MAX", "SNAPSHOTS_AT_ONCE"):
        monkeypatch.setattr(passivating, name, 1)
    log = MemoryLog()
    async with opened(log.carrier(), kind=Busy()) as bank:
        bank.dispatcher.reading_is_dear = True
        for name in ("ann", "bob"):
            await bank.ask(name, Move(3))
        for _ in range(2):
            await bank.dispatcher.passivate()

    assert len(log.snapshots) == 2


async def test_what_is_being_stored_is_in_no_snapshot() -> None:
    log = WatchedLog()
    async with opened(log.carrier(), kind=Busy()) as bank:
        bank.dispatcher.reading_is_dear = True
        await bank.ask("ann", Move(3))
        log.shut()
        bank.dispatcher.post(STREAM, Move(1))
        await until(lambda: log.held)
        await bank.dispatcher.passivate()
        assert log.snapshots == {}
        log.gate.set()
        assert await bank.ask("ann", Look()) == 4
