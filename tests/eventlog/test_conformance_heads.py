"""The contract of heads and snapshots, for every carrier, on every event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perdure.eventlog.errors import Conflict
from perdure.eventlog.log import Carrier, Summary
from perdure.eventlog.records import EMPTY, Append, Head, Tail, sealed
from perdure.eventlog.search import COMPARE, Comparison, Condition, Search, is_searchable
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


async def test_every_snapshot_is_met_by_going_on_from_one_to_the_next(carrier: Carrier) -> None:
    streams = {f"workflow/default/s-{number}" for number in range(3)}
    large = 200_000
    await carrier.snapshots.save([Snapshot.of(stream, Tail(1, bytes(32)), 1, b"\x00" * large) for stream in sorted(streams)])
    met, found = set[str](), await carrier.snapshots.behind()
    while found is not None:
        met.add(found[1])
        found = await carrier.snapshots.behind(found[0])

    assert met == streams


async def test_saving_no_snapshot_is_no_work(carrier: Carrier) -> None:
    await carrier.snapshots.save([])

    assert await carrier.snapshots.load([]) == {}


# -- searching -----------------------------------------------------------------------------------------------------------

VALUES: list[object] = [
    "red", "blue", "", "é", "\U0001f600", "\uffff", "1", "true", "a\x00b", 0, 1, -1, 2**63 - 1, -(2**63), 2**53, 2**53 + 1, 1.0, 1.5, -0.5,
    1e300, float(2**53), True, False, ["red"], {"red": 1}, None, 2**63, 2**70, "x" * 501, "x" * 500,
]  # fmt: skip
"""What an attribute may be; the last few and what is no scalar is kept and cannot be found."""


def having(**attributes: object) -> Head:
    return msgspec.structs.replace(head(), attributes=msgspec.json.encode(attributes, order="deterministic"))


async def found(carrier: Carrier, *where: Condition, **more: Any) -> list[str]:
    return [summary.stream for summary in await carrier.heads.find(Search(where), **more)]


@pytest.mark.parametrize("op", COMPARE)
async def test_find_gives_just_the_heads_whose_attribute_compares_so(carrier: Carrier, op: Comparison) -> None:
    held = {f"run-{number:02}": value for number, value in enumerate(VALUES)}
    await accepted(carrier.log, [opening(stream, having(a=value, b="red")) for stream, value in held.items()])
    await accepted(carrier.log, [opening("without", head()), opening("elsewhere", having(b=1))])
    sought = [value for value in VALUES if is_searchable(value) and (op == "=" or not isinstance(value, bool))]

    for value in sought:
        expected = [stream for stream, other in held.items() if alike(other, value) and COMPARE[op](other, value)]
        assert await found(carrier, Condition("a", op, value)) == expected, (op, value)


KINDS: dict[str, str] = {"bool": "truth", "int": "number", "float": "number", "str": "text"}
NOT_INDEXED: list[object] = [2**63, 2**70, "x" * 501]


def alike(one: object, other: object) -> bool:
    """By another road than the code under test: a number, a text, a truth."""
    return KINDS.get(type(one).__name__) == KINDS[type(other).__name__] and one not in NOT_INDEXED


async def test_find_joins_conditions_by_and(carrier: Carrier) -> None:
    await accepted(carrier.log, [opening(f"run-{n:02}", having(n=n, third=n % 3, even=n % 2 == 0, name=f"c-{n % 4}")) for n in range(40)])

    third, even, above = Condition("third", "=", 0), Condition("even", "=", value=True), Condition("n", ">", 20)

    assert await found(carrier, third, even, above) == ["run-24", "run-30", "run-36"]
    assert await found(carrier, above, Condition("n", "<=", 23), Condition("name", ">=", "c-2")) == ["run-22", "run-23"]
    assert await found(carrier, third, Condition("third", "=", 1)) == []
    assert len(await found(carrier)) == 40


async def test_find_pages_in_the_order_of_streams_without_gap_or_repeat(carrier: Carrier) -> None:
    await accepted(carrier.log, [opening(f"run-{n:03}", having(colour="red" if n % 3 else "blue", n=999 - n)) for n in range(120)])
    red, above, behind = Condition("colour", "=", "red"), Condition("n", ">", 0), Condition("colour", ">", "c")
    for where in ([red], [above, red], [behind]):
        pages: list[str] = []
        while page := await found(carrier, *where, after=pages[-1] if pages else "", limit=7):
            pages += page

        assert pages == [f"run-{n:03}" for n in range(120) if n % 3]


async def test_find_looks_at_prefix_status_and_title_too(carrier: Carrier) -> None:
    heads = {f"{kind}/{status}": msgspec.structs.replace(head(status), title=kind) for kind in ("a", "b") for status in ("done", "running")}
    await accepted(carrier.log, [opening(stream, head) for stream, head in heads.items()])
    red = (Condition("colour", "=", "red"),)

    async def streams(search: Search) -> list[str]:
        return [summary.stream for summary in await carrier.heads.find(search)]

    assert await streams(Search(red, prefix="b/")) == ["b/done", "b/running"]
    assert await streams(Search(red, status="done")) == ["a/done", "b/done"]
    assert await streams(Search(title="a", status="running")) == ["a/running"]
    assert await streams(Search((), prefix="a/")) == ["a/done", "a/running"]


async def test_find_follows_every_change_of_attributes(carrier: Carrier) -> None:
    first = opening(STREAM, having(colour="red", size=1))
    other = opening("other", having(colour="red"))
    second = sealed(STREAM, first.tail, content(2), 1, having(colour="blue", shape="round"))
    third = sealed(STREAM, second.tail, content(3), 1)
    fourth = sealed(STREAM, third.tail, content(4), 1, head("done"))
    fifth = sealed(STREAM, fourth.tail, content(5), 1, msgspec.structs.replace(head("done"), attributes=b"{}"))
    red, blue, one = Condition("colour", "=", "red"), Condition("colour", "=", "blue"), Condition("size", "=", 1)
    seen: list[list[list[str]]] = []
    for appends in ([first, other], [second, third], [opening("other", head())], [fourth], [fifth]):
        await carrier.log.append(appends)
        seen.append([await found(carrier, condition) for condition in (red, blue, one)])

    assert seen == [
        [["other", STREAM], [], [STREAM]],
        [["other"], [STREAM], []],
        [["other"], [STREAM], []],
        [["other", STREAM], [], []],
        [["other"], [], []],
    ]


async def test_find_after_a_rebuild_knows_only_what_was_kept(carrier: Carrier) -> None:
    await accepted(carrier.log, [opening(f"run-{number}", having(colour="red")) for number in range(3)])
    kept = [Summary("run-1", Tail(1, bytes(32)), having(colour="blue")), Summary("run-2", Tail(1, bytes(32)), having(colour="red"))]

    await carrier.heads.rebuild(kept)

    assert await found(carrier, Condition("colour", "=", "red")) == ["run-2"]
    assert await found(carrier, Condition("colour", "=", "blue")) == ["run-1"]
