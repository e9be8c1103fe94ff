"""The contract of a log, on every event loop that it speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest

from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Log
from perdure.eventlog.records import EMPTY, Record, Tail, sealed, verified
from tests.eventlog.conftest import LogOpener
from tests.eventlog.making import PATIENCE, STREAM, accepted, content, everything, first_of, grown, refused, row_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(open_log: LogOpener, tmp_path: Path) -> AsyncGenerator[Log]:
    async with open_log(tmp_path) as opened:
        yield opened


def following(log: Log, after: str | None = None) -> aclosing[AsyncGenerator[Record]]:
    """A follower that is closed at the end of the block."""
    return aclosing(cast("AsyncGenerator[Record]", log.follow(after=after)))


async def test_the_first_append_opens_a_stream(log: Log) -> None:
    append = sealed(STREAM, EMPTY, content(1), 1)

    assert await log.append([append]) == [append.tail]
    assert [record.data for record in (await log.load({STREAM: 0}))[STREAM]] == [content(1)]


async def test_a_stream_that_exists_cannot_be_opened_again(log: Log) -> None:
    tail = await grown(log, STREAM, 1)

    conflict = await refused(log, sealed(STREAM, EMPTY, content(9), 1))

    assert (await log.load({STREAM: 0}))[STREAM][-1].tail == tail
    assert conflict.who == STREAM


async def test_a_conflict_tells_where_the_stream_really_ends(log: Log) -> None:
    tail = await grown(log, STREAM, 3)

    conflict = await refused(log, sealed(STREAM, EMPTY, content(9), 1))

    assert conflict.expected == f"version 0, digest {EMPTY.digest.hex()[:12]}"
    assert conflict.found == f"version 3, digest {tail.digest.hex()[:12]}"


async def test_an_append_behind_a_version_that_is_not_there_is_a_conflict(log: Log) -> None:
    tail = await grown(log, STREAM, 2)

    await refused(log, sealed(STREAM, Tail(5, tail.digest), content(9), 1))
    await refused(log, sealed("workflow/default/unknown", tail, content(9), 1))

    assert len((await log.load({STREAM: 0}))[STREAM]) == 2


async def test_the_same_version_with_another_digest_is_a_conflict(log: Log) -> None:
    """Two writers that appended as many events each: a version alone would let the second one slip past."""
    tail = await grown(log, STREAM, 2)
    other = row_of(STREAM, 1) + row_of(STREAM, 1, after=row_of(STREAM, 1)[0].tail, first=7)

    assert other[-1].tail.version == tail.version
    await refused(log, sealed(STREAM, other[-1].tail, content(3), 1))


async def test_records_of_different_lengths_cannot_slip_past_each_other(log: Log) -> None:
    tail = await grown(log, STREAM, 1)
    long, short = sealed(STREAM, tail, content(2), 5), sealed(STREAM, tail, content(3), 2)

    answers = await log.append([long, short])

    assert answers[0] == long.tail
    assert isinstance(answers[1], Conflict)
    assert [(record.first, record.last) for record in (await log.load({STREAM: 0}))[STREAM]] == [(1, 1), (2, 6)]


async def test_each_append_of_a_batch_is_judged_by_itself(log: Log) -> None:
    tail = await grown(log, "workflow/default/taken", 1)
    good, bad, better = (
        sealed("workflow/default/new", EMPTY, content(1), 1),
        sealed("workflow/default/taken", EMPTY, content(2), 1),
        sealed("workflow/default/taken", tail, content(3), 1),
    )

    answers = await log.append([good, bad, better])

    assert (answers[0], answers[2]) == (good.tail, better.tail)
    assert isinstance(answers[1], Conflict)


async def test_several_appends_to_one_stream_in_a_batch_follow_each_other(log: Log) -> None:
    appends = row_of(STREAM, 5)

    assert await log.append(appends) == [append.tail for append in appends]
    assert [record.first for record in (await log.load({STREAM: 0}))[STREAM]] == [1, 2, 3, 4, 5]


async def test_an_append_behind_a_refused_one_of_its_batch_is_refused_too(log: Log) -> None:
    tail = await grown(log, STREAM, 1)
    late = row_of(STREAM, 2, after=Tail(1, bytes(32)))

    answers = await log.append([*late, sealed(STREAM, tail, content(5), 1)])

    assert [type(answer) for answer in answers] == [Conflict, Conflict, Tail]


async def test_an_empty_batch_changes_nothing(log: Log) -> None:
    assert await log.append([]) == []
    assert (await log.load({STREAM: 0}))[STREAM] == []


async def test_of_twenty_racers_exactly_one_wins(log: Log) -> None:
    tail = await grown(log, STREAM, 1)
    answers: list[Tail | Conflict] = []

    async def race(number: int) -> None:
        answers.extend(await log.append([sealed(STREAM, tail, content(number), 1)]))

    async with anyio.create_task_group() as racers:
        for number in range(20):
            racers.start_soon(race, number)

    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict"] * 19 + ["Tail"]
    assert [record.tail for record in (await log.load({STREAM: 0}))[STREAM]][1:] == [a for a in answers if isinstance(a, Tail)]


async def test_load_gives_what_is_behind_each_version(log: Log) -> None:
    await grown(log, "workflow/a/x", 4)
    await grown(log, "workflow/b/x", 2)

    found = await log.load({"workflow/a/x": 2, "workflow/b/x": 2, "workflow/c/x": 0})

    assert {stream: [record.first for record in records] for stream, records in found.items()} == {
        "workflow/a/x": [3, 4],
        "workflow/b/x": [],
        "workflow/c/x": [],
    }


async def test_read_gives_one_stream_in_order(log: Log) -> None:
    await grown(log, STREAM, 700)
    await grown(log, "workflow/default/other", 3)

    assert [record.first for record in await everything(log.read(STREAM))] == list(range(1, 701))
    assert [record.first for record in await everything(log.read(STREAM, after=698))] == [699, 700]
    assert await everything(log.read("workflow/default/unknown")) == []


async def test_what_is_read_back_holds_the_chain(log: Log) -> None:
    tail = await grown(log, STREAM, 50)
    await accepted(log, [sealed(STREAM, tail, content(51), 3)])

    records = list(verified(STREAM, EMPTY, (await log.load({STREAM: 0}))[STREAM]))

    assert (len(records), records[-1].last) == (51, 53)
    assert list(verified(STREAM, records[9].tail, (await log.load({STREAM: 10}))[STREAM])) == records[10:]


async def test_follow_gives_all_streams_by_position_and_what_was_acknowledged_first_comes_first(log: Log) -> None:
    """Within one call streams may overtake each other: it may be many writes side by side."""
    rows = [row_of(f"workflow/default/{number}", 3) for number in range(3)]
    turns = [list(turn) for turn in zip(*rows, strict=True)]
    for turn in turns:
        await accepted(log, turn)

    async with following(log) as records:
        found = await first_of(records, 9)

    assert [record.position for record in found] == sorted({record.position for record in found})
    for place, turn in enumerate(turns):
        of_turn = found[3 * place : 3 * place + 3]

        assert sorted((record.stream, record.tail.digest) for record in of_turn) == [(append.stream, append.tail.digest) for append in turn]


async def test_follow_waits_for_more(log: Log) -> None:
    found: list[int] = []
    some, more = anyio.Event(), anyio.Event()

    async def follow(records: AsyncIterator[Record]) -> None:
        async for record in records:
            found.append(record.first)
            some.set()
            if len(found) == 4:
                more.set()
                return

    tail = await grown(log, STREAM, 2)
    async with following(log) as records, anyio.create_task_group() as followers:
        followers.start_soon(follow, records)
        with anyio.fail_after(PATIENCE):
            await some.wait()
            await accepted(log, row_of(STREAM, 1, after=tail, first=3))
            await accepted(log, row_of(STREAM, 1, after=(await log.load({STREAM: 0}))[STREAM][-1].tail, first=4))
            await more.wait()

    assert found == [1, 2, 3, 4]


async def test_two_followers_are_both_woken(log: Log) -> None:
    found: list[str] = []

    async def follow(name: str, ready: anyio.Event) -> None:
        async with following(log) as records:
            await first_of(records, 1)
            ready.set()
            await first_of(records, 1)
            found.append(name)

    tail = await grown(log, STREAM, 1)
    first, second = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as followers:
        followers.start_soon(follow, "first", first)
        followers.start_soon(follow, "second", second)
        await first.wait()
        await second.wait()
        await accepted(log, row_of(STREAM, 1, after=tail, first=2))

    assert sorted(found) == ["first", "second"]


async def test_follow_resumes_behind_a_cursor(log: Log) -> None:
    await grown(log, STREAM, 1200)

    async with following(log) as records:
        seen = await first_of(records, 600)
    async with following(log, log.cursor(seen[-1])) as records:
        rest = await first_of(records, 600)

    assert [record.first for record in seen + rest] == list(range(1, 1201))


async def test_content_comes_back_byte_for_byte(log: Log) -> None:
    datas = [b"", b"\x00\xff", "Grüße, 世界 \U0001f600".encode(), b"x" * 65_536]
    appends = [sealed(f"workflow/default/{number}", EMPTY, data, 1) for number, data in enumerate(datas)]
    await accepted(log, appends)

    found = await log.load({append.stream: 0 for append in appends})

    assert [found[append.stream][0].data for append in appends] == datas


async def test_a_thousand_streams_fit_in_one_append(log: Log) -> None:
    appends = [sealed(f"workflow/default/{number:04}", EMPTY, content(number), 1) for number in range(1000)]
    await accepted(log, appends)

    found = await log.load({append.stream: 0 for append in appends})
    again = await log.append(appends)

    assert [found[append.stream][0].tail for append in appends] == [append.tail for append in appends]
    assert all(isinstance(answer, Conflict) for answer in again)


async def test_a_cancelled_append_leaves_the_log_whole(log: Log) -> None:
    """Whether it happened is unknown to the caller; that it happened wholly or not at all is certain."""
    tail, outcomes = EMPTY, set[int]()
    for _ in range(25):
        appends = row_of(STREAM, 3, after=tail, first=tail.version + 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(log.append, appends)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        records = list(verified(STREAM, EMPTY, (await log.load({STREAM: 0}))[STREAM]))
        now = records[-1].tail if records else EMPTY
        outcomes.add(now.version - tail.version)
        tail = now

    assert outcomes <= {0, 3}
    await accepted(log, row_of(STREAM, 1, after=tail, first=tail.version + 1))
