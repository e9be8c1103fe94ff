"""What a log in JetStream owes beyond the suite of logs: lost answers, a server that dies, refusals that teach."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import anyio
import pytest

from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import HEADERS_BYTES_MAX
from perdure.eventlog.errors import Conflict, Corrupt, Invalid, Refused, Unavailable
from perdure.eventlog.records import EMPTY, Append, Record, Tail, sealed, verified
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import PATIENCE, STREAM, accepted, content, first_of, grown, refused, row_of

pytestmark = pytest.mark.anyio

ANSWER_TIMEOUT = 0.3


@pytest.fixture
def namespace() -> str:
    return uuid4().hex


@asynccontextmanager
async def opened(url: str, namespace: str, *, patience: float = PATIENCE, partitions: int = 64) -> AsyncGenerator[JetStreamLog]:
    async with (
        connect(url) as connection,
        JetStreamLog.open(connection, namespace, answer_timeout=ANSWER_TIMEOUT, patience=patience, partitions=partitions) as log,
    ):
        yield log


async def records_of(log: JetStreamLog, stream: str = STREAM) -> list[Record]:
    return list(verified(stream, EMPTY, (await log.load({stream: 0}))[stream]))


@pytest.mark.parametrize("cut", [False, True], ids=["swallowed", "cut"])
@pytest.mark.parametrize("lost", ["answer", "question"])
async def test_an_append_whose_bytes_were_lost_is_stored_once(nats_server: NatsServer, namespace: str, lost: str, cut: bool) -> None:
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log:
        tail = await grown(log, STREAM, 1)
        (proxy.lose_answer if lost == "answer" else proxy.lose_question)(cut=cut)
        append = sealed(STREAM, tail, content(2), 1)
        answers = await log.append([append])

        assert proxy.lost.is_set()
        assert answers == [append.tail]
        assert [record.tail for record in await records_of(log)] == [tail, append.tail]


async def test_a_lost_answer_is_found_below_what_others_wrote_since(nats_server: NatsServer, namespace: str) -> None:
    """The last message is another's by then; ours is the one right behind `expected`."""
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log, opened(nats_server.url, namespace) as other:
        first = await grown(log, STREAM, 1)
        proxy.lose_answer()
        append = sealed(STREAM, first, content(2), 1)
        ours = asyncio.create_task(log.append([append]))
        with anyio.fail_after(PATIENCE):
            await proxy.lost.wait()
        await accepted(other, row_of(STREAM, 2, after=append.tail, first=3))

        assert await ours == [append.tail]
        assert len(await records_of(log)) == 4


async def test_an_append_that_arrives_after_it_was_given_up_and_repeated_is_stored_once(nats_server: NatsServer, namespace: str) -> None:
    """The repetition is refused by the server, for its own first attempt came in before it: that is no Conflict."""
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log:
        tail = await grown(log, STREAM, 1)
        proxy.hold_question()
        append = sealed(STREAM, tail, content(2), 1)

        assert await log.append([append]) == [append.tail]
        assert proxy.lost.is_set()
        assert [record.tail for record in await records_of(log)] == [tail, append.tail]


async def test_a_lost_question_that_another_overtook_is_a_conflict(nats_server: NatsServer, namespace: str) -> None:
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log, opened(nats_server.url, namespace) as other:
        first = await grown(log, STREAM, 1)
        proxy.lose_question()
        ours = asyncio.create_task(log.append([sealed(STREAM, first, content(2), 1)]))
        with anyio.fail_after(PATIENCE):
            await proxy.lost.wait()
        theirs = sealed(STREAM, first, content(3), 1)
        await accepted(other, [theirs])

        assert [type(answer) for answer in await ours] == [Conflict]
        assert [record.tail for record in await records_of(log)] == [first, theirs.tail]


async def test_a_writer_that_another_overtook_learns_where_the_stream_ends(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log, opened(nats_server.url, namespace) as other:
        first = await grown(log, STREAM, 1)
        (second,) = await accepted(other, row_of(STREAM, 1, after=first, first=2))

        conflict = await refused(log, sealed(STREAM, first, content(9), 1))

        assert conflict.found == f"version 2, digest {second.digest.hex()[:12]}"
        await accepted(log, row_of(STREAM, 1, after=second, first=3))


async def test_a_writer_that_knows_nothing_looks_the_tail_up(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        tail = await grown(log, STREAM, 2)
    async with opened(nats_server.url, namespace) as log:
        await refused(log, sealed(STREAM, Tail(2, bytes(32)), content(9), 1))
    async with opened(nats_server.url, namespace) as log:
        await accepted(log, row_of(STREAM, 1, after=tail, first=3))


async def test_of_twenty_racers_over_two_connections_exactly_one_wins(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log, opened(nats_server.url, namespace) as other:
        tail = await grown(log, STREAM, 1)
        for turn in range(5):
            appends = [sealed(STREAM, tail, content(100 * turn + number), 1) for number in range(20)]
            tasks = [(log, other)[place % 2].append([append]) for place, append in enumerate(appends)]
            winners = [answer for (answer,) in await asyncio.gather(*tasks) if isinstance(answer, Tail)]

            assert len(winners) == 1
            tail = winners[0]
        assert (await records_of(log))[-1].tail == tail
        assert len(await records_of(other)) == 6


async def test_a_killed_server_loses_nothing_and_nobody_has_to_open_again(tmp_path: Path, namespace: str) -> None:
    acknowledged: dict[str, Tail] = {}
    half, enough, revived = anyio.Event(), anyio.Event(), anyio.Event()

    async def write(log: JetStreamLog, stream: str) -> None:
        tail, after = EMPTY, 0
        while after < 20:
            (tail,) = await accepted(log, row_of(stream, 1, after=tail, first=tail.version + 1))
            acknowledged[stream] = tail
            after += revived.is_set()
            if tail.version == 20:
                half.set()

    async def watch(records: AsyncGenerator[Record], seen: list[Record]) -> None:
        async for record in records:
            seen.append(record)
            if enough.is_set() and len(seen) == sum(tail.version for tail in acknowledged.values()):
                return

    with running(tmp_path) as server:
        async with opened(server.url, namespace) as log, aclosing(cast("AsyncGenerator[Record]", log.follow())) as records:
            seen: list[Record] = []
            streams = [f"workflow/default/{number}" for number in range(10)]
            with anyio.fail_after(3 * PATIENCE):
                async with anyio.create_task_group() as watching:
                    watching.start_soon(watch, records, seen)
                    async with anyio.create_task_group() as writers:
                        for stream in streams:
                            writers.start_soon(write, log, stream)
                        await half.wait()
                        server.kill()
                        await anyio.to_thread.run_sync(server.start)
                        revived.set()
                    enough.set()
                    await accepted(log, row_of("workflow/default/last", 1))
                    acknowledged["workflow/default/last"] = row_of("workflow/default/last", 1)[0].tail

            for stream in streams:
                assert (await records_of(log, stream))[-1].tail == acknowledged[stream]
                followed = [record for record in seen if record.stream == stream]

                assert list(verified(stream, EMPTY, followed))[-1].tail == acknowledged[stream]


async def test_a_server_that_stays_away_is_unavailable_in_bounded_time(tmp_path: Path, namespace: str) -> None:
    with running(tmp_path) as server:
        async with opened(server.url, namespace, patience=0.5) as log:
            tail = await grown(log, STREAM, 1)
            server.kill()
            with anyio.fail_after(PATIENCE):
                for attempt in (log.append(row_of(STREAM, 1, after=tail, first=2)), log.load({STREAM: 0})):
                    with pytest.raises(Unavailable) as caught:
                        await attempt

                    assert caught.value.who == f"PERDURE_{namespace}_LOG"
                    assert "nats-server runs" in caught.value.instead


async def test_a_cancelled_append_trails_nothing_behind_it(nats_server: NatsServer, namespace: str) -> None:
    """A lost acknowledgement keeps the append open; the cancelled caller leaves when the outcome is known."""
    async with proxied(nats_server.port) as proxy, opened(proxy.url, namespace) as log:
        tail = await grown(log, STREAM, 1)
        proxy.lose_answer()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(log.append, row_of(STREAM, 3, after=tail, first=2))
                await proxy.lost.wait()
                scope.cancel()

        assert scope.cancelled_caught
        assert log.committer.idle
        assert len(await records_of(log)) == 4


async def test_a_record_over_the_limit_is_invalid_and_nothing_of_its_batch_is_written(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        limit = 1024 * 1024 - HEADERS_BYTES_MAX
        small, large = sealed("workflow/default/small", EMPTY, content(1), 1), sealed(STREAM, EMPTY, b"x" * (limit + 1), 1)
        with pytest.raises(Invalid) as caught:
            await log.append([small, large])

        assert (caught.value.who, caught.value.where) == (STREAM, "$[1].data")
        assert (caught.value.expected, caught.value.found) == (f"at most {limit} bytes", f"{limit + 1} bytes")
        assert "blob" in caught.value.instead
        assert await log.load({"workflow/default/small": 0, STREAM: 0}) == {"workflow/default/small": [], STREAM: []}


async def test_the_largest_records_are_stored_looked_up_and_paged(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log, opened(nats_server.url, namespace) as other:
        tail = EMPTY
        for number in range(9):
            append = sealed(STREAM, tail, bytes([number]) * (1024 * 1024 - HEADERS_BYTES_MAX), 1)
            (tail,) = await accepted((log, other)[number % 2], [append])

        async with aclosing(cast("AsyncGenerator[Record]", other.follow())) as records:
            followed = await first_of(records, 9)

        assert await records_of(log) == followed


async def test_a_user_who_may_not_publish_is_told_so_at_once(tmp_path: Path, namespace: str) -> None:
    users = """authorization { users = [
        { user: owner, password: o },
        { user: reader, password: r, permissions: { publish: ["$JS.API.>", "_INBOX.>"], subscribe: ">" } },
        { user: guest, password: g, permissions: { publish: ["_INBOX.>"], subscribe: ">" } } ] }"""
    with running(tmp_path, users) as server:
        as_user = server.url.replace("//", "//{}@")
        async with opened(as_user.format("owner:o"), namespace) as log:
            tail = await grown(log, STREAM, 1)
        async with opened(as_user.format("reader:r"), namespace) as log:
            with anyio.fail_after(ANSWER_TIMEOUT), pytest.raises(Refused) as caught:
                await log.append(row_of(STREAM, 1, after=tail, first=2))

            assert caught.value.where.startswith(f"subject perdure.{namespace}.log.")
            assert "the server dropped the message" in caught.value.found
            assert "allow" in caught.value.instead
            assert [record.tail for record in await records_of(log)] == [tail]
        with pytest.raises(Refused, match=r"subject \$JS.API.STREAM.INFO"):
            async with opened(as_user.format("guest:g"), namespace):
                pass


async def test_a_message_that_no_log_wrote_is_corrupt(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log:
        await grown(log, STREAM, 1)
        await log.store.connection.ask(log.store.subjects.of(STREAM), b"intruder", within=PATIENCE)
        with pytest.raises(Corrupt) as caught:
            await log.load({STREAM: 0})

        assert caught.value.who == STREAM
        assert "sequence 2" in caught.value.where


async def test_a_log_keeps_the_partitions_it_was_made_with(nats_server: NatsServer, namespace: str) -> None:
    streams = [f"workflow/default/{number}" for number in range(20)]
    async with opened(nats_server.url, namespace, partitions=8) as log:
        await accepted(log, [row_of(stream, 1)[0] for stream in streams])
    async with opened(nats_server.url, namespace, partitions=64) as log:
        assert log.store.subjects.partitions == 8
        assert [len(records) for records in (await log.load(dict.fromkeys(streams, 0))).values()] == [1] * 20


async def test_a_follower_whose_consumer_vanished_goes_on_without_a_gap(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log, aclosing(cast("AsyncGenerator[Record]", log.follow())) as records:
        tail = await grown(log, STREAM, 3)
        before = await first_of(records, 3)
        bucket = log.store.subjects.bucket
        names = await log.store.call(f"CONSUMER.NAMES.{bucket}", {})
        (name,) = json.loads(names)["consumers"]
        await log.store.call(f"CONSUMER.DELETE.{bucket}.{name}", {})
        await accepted(log, row_of(STREAM, 3, after=tail, first=4))

        assert [record.first for record in [*before, *await first_of(records, 3)]] == [1, 2, 3, 4, 5, 6]


async def test_a_follower_keeps_its_consumer_over_many_pulls(nats_server: NatsServer, namespace: str) -> None:
    async with opened(nats_server.url, namespace) as log, aclosing(cast("AsyncGenerator[Record]", log.follow())) as records:
        tail = await grown(log, STREAM, 1)
        await first_of(records, 1)
        question = f"CONSUMER.NAMES.{log.store.subjects.bucket}"
        before = json.loads(await log.store.call(question, {}))["consumers"]
        await accepted(log, row_of(STREAM, 1200, after=tail, first=2))
        await first_of(records, 1200)

        assert json.loads(await log.store.call(question, {}))["consumers"] == before


async def test_names_with_empty_parts_come_back(nats_server: NatsServer, namespace: str) -> None:
    appends: Sequence[Append] = [sealed(stream, EMPTY, content(1), 1) for stream in ("workflow//one", "workflow/a_2eb/_5f")]
    async with opened(nats_server.url, namespace) as log:
        await accepted(log, appends)

        for append in appends:
            assert [record.stream for record in await records_of(log, append.stream)] == [append.stream]
        with pytest.raises(Invalid, match="stream_of"):
            await log.load({"workflow/default/a.b": 0})
