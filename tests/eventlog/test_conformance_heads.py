"""The contract of heads and snapshots, for every carrier, on every event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Carrier, Summary
from perdure.eventlog.records import EMPTY, Append, Head, Tail, sealed
from perdure.eventlog.snapshots import Snapshot
from tests.eventlog.conftest import Opener
from tests.eventlog.making import STREAM, accepted, content, head

pytestmark = pytest.mark.anyio


@pytest.fixture
async def carrier(open_carrier: Opener, tmp_path: Path) -> AsyncGenerator[Carrier]:
    async with open_carrier(tmp_path) as opened:
        yield opened


def opening(stream: str, head: Head) -> Append:
    return sealed(stream, EMPTY, content(1), 1, head)


async def test_an_accepted_append_replaces_the_head(carrier: Carrier) -> None:
    first = opening(STREAM, head("running", 0))
    second = sealed(STREAM, first.tail, content(2), 1, head("waiting", 77))
    await accepted(carrier.log, [first])
    before = await carrier.heads.get(STREAM)

    await accepted(carrier.log, [second])

    assert before == Summary(STREAM, first.tail, head("running", 0))
    assert await carrier.heads.get(STREAM) == Summary(STREAM, second.tail, head("waiting", 77))


async def test_a_refused_append_leaves_the_head(carrier: Carrier) -> None:
    first = opening(STREAM, head("running", 0))
    await accepted(carrier.log, [first])

    answers = await carrier.log.append([opening(STREAM, head("done"))])

    assert isinstance(answers[0], Conflict)
    assert await carrier.heads.get(STREAM) == Summary(STREAM, first.tail, head("running", 0))


async def test_an_append_without_a_head_leaves_the_head(carrier: Carrier) -> None:
    first = opening(STREAM, head("running", 0))
    await accepted(carrier.log, [first, sealed(STREAM, first.tail, content(2), 1)])

    assert await carrier.heads.get(STREAM) == Summary(STREAM, first.tail, head("running", 0))


async def test_the_last_head_of_a_batch_counts(carrier: Carrier) -> None:
    first = opening(STREAM, head("running", 0))
    second = sealed(STREAM, first.tail, content(2), 1, head("done"))

    await accepted(carrier.log, [first, second])

    assert await carrier.heads.get(STREAM) == Summary(STREAM, second.tail, head("done"))


async def test_an_unknown_stream_has_no_head(carrier: Carrier) -> None:
    assert await carrier.heads.get("workflow/default/unknown") is None


async def test_due_gives_the_wake_ups_in_order(carrier: Carrier) -> None:
    wakes = {"d": 0, "a": 30, "b": 10, "c": 10, "e": None, "f": 31}
    await accepted(carrier.log, [opening(stream, head(wake_at=wake)) for stream, wake in wakes.items()])

    assert [summary.stream for summary in await carrier.heads.due(30)] == ["d", "b", "c", "a"]
    assert [summary.stream for summary in await carrier.heads.due(9)] == ["d"]


async def test_due_pages_without_gap_or_repeat(carrier: Carrier) -> None:
    await accepted(carrier.log, [opening(f"run-{number:02}", head(wake_at=number // 10)) for number in range(50)])
    found: list[str] = []
    after: tuple[int, str] | None = None

    while page := await carrier.heads.due(3, after=after, limit=7):
        found += [summary.stream for summary in page]
        after = (page[-1].head.wake_at or 0, page[-1].stream)

    assert found == [f"run-{number:02}" for number in range(40)]


async def test_a_head_that_sleeps_on_leaves_the_due_ones(carrier: Carrier) -> None:
    first = opening(STREAM, head(wake_at=5))
    await accepted(carrier.log, [first])
    await accepted(carrier.log, [sealed(STREAM, first.tail, content(2), 1, head("done", None))])

    assert await carrier.heads.due(1000) == []


async def test_all_pages_in_the_order_of_streams(carrier: Carrier) -> None:
    streams = [f"workflow/{tenant}/{number}" for tenant in ("ann", "bob") for number in range(5)] + ["schedule/ann/1"]
    await accepted(carrier.log, [opening(stream, head()) for stream in streams])

    first = await carrier.heads.all(prefix="workflow/ann/", limit=3)
    rest = await carrier.heads.all(prefix="workflow/ann/", after=first[-1].stream, limit=3)
    every = await carrier.heads.all()

    assert [summary.stream for summary in [*first, *rest]] == [f"workflow/ann/{number}" for number in range(5)]
    assert [summary.stream for summary in every] == sorted(streams)


async def test_rebuild_drops_every_head_and_keeps_these(carrier: Carrier) -> None:
    await accepted(carrier.log, [opening(f"run-{number}", head(wake_at=1)) for number in range(3)])
    kept = [Summary(f"run-{number}", Tail(1, bytes(32)), head("waiting", 40 + number)) for number in range(1, 700)]

    await carrier.heads.rebuild(kept)

    assert await carrier.heads.get("run-0") is None
    assert len(await carrier.heads.all(limit=1000)) == 699
    assert [summary.stream for summary in await carrier.heads.due(41)] == ["run-1"]


async def test_a_head_keeps_every_field(carrier: Carrier) -> None:
    full = Head("waiting", 2**62, "título 世界", 1_700_000_000_000_000, 1_700_000_000_000_001, b'{"a":"\xc3\xa9"}')
    append = opening(STREAM, full)
    await accepted(carrier.log, [append])

    assert await carrier.heads.get(STREAM) == Summary(STREAM, append.tail, full)


async def test_the_newest_snapshot_of_each_stream_comes_back(carrier: Carrier) -> None:
    old, new = (Snapshot.of(STREAM, Tail(version, bytes([version]) * 32), 1, b"state %d" % version) for version in (1, 2))
    other = Snapshot.of("workflow/default/other", Tail(9, bytes(32)), 2, b"\x00" * 65_536)
    await carrier.snapshots.save([old, other])

    await carrier.snapshots.save([new])

    assert await carrier.snapshots.load([STREAM, other.stream, "workflow/default/unknown"]) == {STREAM: new, other.stream: other}


async def test_saving_no_snapshot_is_no_work(carrier: Carrier) -> None:
    await carrier.snapshots.save([])

    assert await carrier.snapshots.load([]) == {}
