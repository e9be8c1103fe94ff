"""Many short streams are loaded in a few questions, whatever they hold; what does not fit is read with care."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from perdure.adapters.nats.records.loading import Loading
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.records.reader import BACK_MAX, record_in
from perdure.adapters.nats.wire import api
from perdure.eventlog.records import EMPTY, Record, Tail
from tests.adapters.nats.server import NatsServer
from tests.adapters.nats.test_flights import MANY, batch, way
from tests.adapters.nats.test_log import namespace, opened
from tests.eventlog.making import accepted, row_of

pytestmark = pytest.mark.anyio

__all__ = ["namespace"]

STREAMS = [f"run/default/{number}" for number in range(30)]


@asynccontextmanager
async def grown(url: str, namespace: str, length: int = 5) -> AsyncGenerator[JetStreamLog]:
    """Streams of one to so many records."""
    async with opened(url, namespace) as log:
        for place, stream in enumerate(STREAMS):
            await accepted(log, row_of(stream, 1 + place % length))
        yield log


def nothing_in_pages(log: JetStreamLog, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams that are read in pages from now on."""
    read, paged = list[str](), log.reader.pages

    def pages(stream: str, start: int = 1) -> AsyncIterator[list[Record]]:
        read.append(stream)
        return paged(stream, start)

    monkeypatch.setattr(log.reader, "pages", pages)
    return read


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_short_streams_are_read_backwards_all_at_once(
    nats_server: NatsServer, namespace: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grown(nats_server.url, namespace) as log:
        behind = {stream: min(after, 1 + place % 5) for place, stream in enumerate(STREAMS)}
        expected = {stream: [one async for one in log.read(stream, after=version)] for stream, version in behind.items()}
        read = nothing_in_pages(log, monkeypatch)

        assert await Loading(log.reader, log.committer.places, None).load(behind) == expected
        assert read == []


async def test_a_long_stream_is_read_in_pages(nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(nats_server.url, namespace) as log:
        await accepted(log, row_of(STREAMS[0], BACK_MAX + 2))
        read = nothing_in_pages(log, monkeypatch)

        assert len((await log.load({STREAMS[0]: 0}))[STREAMS[0]]) == BACK_MAX + 2
        assert len((await log.load({STREAMS[0]: 2}))[STREAMS[0]]) == BACK_MAX
        assert read == [STREAMS[0]]


async def test_where_a_record_is_missing_the_stream_is_read_with_care(
    nats_server: NatsServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with grown(nats_server.url, namespace) as log:
        whole = [one async for one in log.read(STREAMS[3])]
        store = log.store
        await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": whole[1].position})
        read = nothing_in_pages(log, monkeypatch)

        found = await log.load(dict.fromkeys(STREAMS, 0))

        assert read == [STREAMS[3]]
        assert found[STREAMS[3]] == [whole[0], *whole[2:]]  # whoever folds them sees the gap


async def test_of_many_messages_those_that_are_gone_are_left_out(nats_server: NatsServer, namespace: str) -> None:
    async with grown(nats_server.url, namespace) as log:
        store = log.store
        assert api.done(await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": 2})).error is None

        found = await store.at("LOG", [1, 2, 3, 10_000])

        assert {sequence: message.sequence for sequence, message in found.items()} == {1: 1, 3: 3}


@pytest.mark.parametrize("as_one", [True, False])
async def test_what_was_written_in_flights_is_read_backwards_too(
    nats_server: NatsServer, namespace: str, as_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(nats_server.url, namespace) as log:
        ends = [EMPTY] * MANY
        for word in ("first", "second", "third"):
            way(log, as_one=as_one)
            ends = [end for end in await log.append(batch(ends, word)) if isinstance(end, Tail)]
        read = nothing_in_pages(log, monkeypatch)

        found = await log.load({f"run/default/{number}": 0 for number in range(MANY)})

        assert [records[-1].tail for records in found.values()] == ends
        assert {len(records) for records in found.values()} == {3}
        assert read == []


async def test_the_newest_of_many_subjects_are_found_and_those_that_have_none_are_left_out(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        for stream in STREAMS:
            await accepted(log, row_of(stream, 2))
        there = {log.store.subjects.of(stream): stream for stream in STREAMS}
        absent = [log.store.subjects.of(f"run/default/absent{number}") for number in range(3)]

        found = await log.store.newest_of("LOG", [*absent[:2], *there, absent[2]], at_once=2)

        assert found.keys() == there.keys()
        assert [record_in(found[subject]).last for subject in there] == [2] * len(there)
        assert await log.store.newest_of("LOG", []) == {}


async def test_the_newest_of_all_is_found_though_the_very_last_message_was_deleted(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        await accepted(log, row_of(STREAMS[0], 3))
        store = log.store
        assert api.done(await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": 3})).error is None
        newest = await store.last("LOG", store.subjects.all)

        assert newest is not None
        assert newest.sequence == 2
        assert [message.sequence for message in await store.everything("LOG", store.subjects.all)] == [1, 2]
