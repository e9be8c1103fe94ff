"""Many appends at once: as an atomic batch or one by one, each is stored once or refused, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from perdure.adapters.nats.records.flights import AGAIN, TOGETHER_MIN, TRIED, Flying, Pace, loads
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.wire.batches import Parcel
from perdure.adapters.nats.wire.connection import connect
from perdure.eventlog.errors import Conflict
from perdure.eventlog.records import EMPTY, Append, Record, Tail, sealed
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer
from tests.adapters.nats.test_log import namespace, opened

pytestmark = pytest.mark.anyio

__all__ = ["namespace"]

MANY = 3 * TOGETHER_MIN


def batch(ends: Sequence[Tail], word: str) -> list[Append]:
    """One append to each of as many streams."""
    return [sealed(f"run/default/{number}", end, f'"{word}"'.encode(), 1) for number, end in enumerate(ends)]


async def stored(log: JetStreamLog, number: int) -> list[Record]:
    return [record async for record in log.read(f"run/default/{number}")]


def way(log: JetStreamLog, *, as_one: bool) -> None:
    """Make this way the faster one, as far as the log knows."""
    for each in (True, False):
        log.committer.flying.pace_of(MANY).note(MANY, 1.0 if each == as_one else 1000.0, as_one=each)


@pytest.mark.parametrize("as_one", [True, False])
async def test_of_many_the_stale_one_is_a_conflict_and_the_others_are_stored(nats_server: NatsServer, namespace: str, as_one: bool) -> None:
    async with opened(nats_server.url, namespace) as log, opened(nats_server.url, namespace) as other:
        way(log, as_one=as_one)
        ends = [end for end in await log.append(batch([EMPTY] * MANY, "first")) if isinstance(end, Tail)]
        (won,) = await other.append(batch(ends, "theirs")[5:6])

        answers = await log.append(batch(ends, "second"))

        assert isinstance(answers[5], Conflict)
        assert isinstance(won, Tail)
        assert sum(isinstance(answer, Tail) for answer in answers) == MANY - 1
        assert [record.data for record in await stored(log, 5)] == [b'"first"', b'"theirs"']
        assert [record.data for record in await stored(log, 6)] == [b'"first"', b'"second"']
        assert log.committer.idle


async def test_what_was_loaded_is_written_behind_in_one_flight_and_nobody_asks_where_it_ends(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(stream: str, tail: Tail) -> tuple[int | None, Record | None]:
        raise AssertionError(stream)

    async with opened(nats_server.url, namespace) as log, opened(nats_server.url, namespace) as other:
        ends = [end for end in await log.append(batch([EMPTY] * MANY, "first")) if isinstance(end, Tail)]
        loaded = await other.load({f"run/default/{number}": 0 for number in range(MANY)})
        assert [records[-1].tail for records in loaded.values()] == ends
        monkeypatch.setattr(other.committer.ending, "sequence_of", asked)

        assert all(isinstance(answer, Tail) for answer in await other.append(batch(ends, "second")))
    assert len(ends) == MANY


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("lost", ["answer", "question"])
@pytest.mark.parametrize("as_one", [True, False])
async def test_what_is_lost_of_many_is_stored_once(nats_server: NatsServer, namespace: str, as_one: bool, lost: str, cut: bool) -> None:
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log:
        way(log, as_one=as_one)
        (proxy.lose_answer if lost == "answer" else proxy.lose_question)(cut=cut)

        answers = await log.append(batch([EMPTY] * MANY, "once"))

        assert proxy.lost.is_set()
        assert [answer.version for answer in answers if isinstance(answer, Tail)] == [1] * MANY
        assert [len(await stored(log, number)) for number in range(MANY)] == [1] * MANY
        assert log.committer.idle


async def test_appends_to_one_stream_in_one_call_are_judged_one_after_another(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        first = sealed("run/default/0", EMPTY, b'"first"', 1)
        second = sealed("run/default/0", first.tail, b'"second"', 1)
        others = batch([EMPTY] * MANY, "other")[1:]

        answers = await log.append([first, *others, second, first])

        assert answers[:-1] == [append.tail for append in (first, *others, second)]
        assert isinstance(answers[-1], Conflict)


def test_the_faster_way_is_taken_and_the_other_tried_again_now_and_then() -> None:
    pace = Pace()
    taken: list[bool] = []
    for _ in range(2 * AGAIN):
        as_one = pace.prefers_together(MANY)
        pace.note(MANY, 0.1 if as_one else 0.5, as_one=as_one)
        taken.append(as_one)

    assert taken[:2] == [True, False]
    assert taken.count(False) == 3
    assert not pace.prefers_together(TOGETHER_MIN - 1)


@pytest.mark.parametrize(("seconds_apart", "one_by_one"), [(64.0, TRIED), (0.064, 3 * TRIED)])
async def test_only_a_few_are_tried_the_way_that_is_far_slower(
    nats_server: NatsServer, seconds_apart: float, one_by_one: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[tuple[bool, int]] = []
    async with connect(nats_server.url) as connection:
        flying = Flying(connection, within=1.0, at_once=1, bytes_at_once=1)
        flying.pace_of(3 * TRIED).note(MANY, 0.001 * MANY, as_one=True)
        flying.pace_of(3 * TRIED).prefers_together(MANY)

        async def timed(parcels: Sequence[Parcel], pace: Pace, *, as_one: bool) -> list[int]:
            ways.append((as_one, len(parcels)))
            pace.note(len(parcels), 0.1 if as_one else seconds_apart * len(parcels) / TRIED, as_one=as_one)
            return [1] * len(parcels)

        monkeypatch.setattr(flying, "timed", timed)
        verdicts = await flying.fly([Parcel("a", b"", "")] * (3 * TRIED))

    assert len(verdicts) == 3 * TRIED
    assert sum(count for as_one, count in ways if not as_one) == one_by_one


async def test_small_flights_say_nothing_of_large_ones(nats_server: NatsServer) -> None:
    """Of twenty records a batch is slower, of hundreds it is many times faster: a burst after a quiet time is not sent one by one."""
    async with connect(nats_server.url) as connection:
        flying = Flying(connection, within=1.0, at_once=1, bytes_at_once=1)
        for as_one, seconds in ((True, 0.004), (False, 0.001)):
            flying.pace_of(20).prefers_together(20)
            flying.pace_of(20).note(20, seconds, as_one=as_one)

    assert not flying.pace_of(20).prefers_together(20)
    assert flying.pace_of(600).prefers_together(600)
    assert flying.pace_of(600) is flying.pace_of(1000)


def test_what_does_not_fit_one_batch_goes_in_several() -> None:
    light = [Parcel(str(number), b"", "") for number in range(2500)]
    heavy = [Parcel(str(number), bytes(3 * 1024 * 1024), "") for number in range(5)]

    assert [len(load) for load in loads(light)] == [1000, 1000, 500]
    assert [len(load) for load in loads(heavy)] == [2, 2, 1]
    assert [parcel for load in loads(light) for parcel in load] == light
