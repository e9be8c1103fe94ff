"""The chain: every change to what was once written is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure.eventlog.errors import Corrupt
from perdure.eventlog.records import EMPTY, GENESIS, Head, Record, Tail, recorded, seal, sealed, verified, verify
from tests.eventlog.making import STREAM

DATAS = st.lists(st.tuples(st.binary(max_size=30), st.integers(1, 9)), min_size=1, max_size=12)


def chain(datas: list[tuple[bytes, int]]) -> list[Record]:
    records, tail = list[Record](), EMPTY
    for data, count in datas:
        append = sealed(STREAM, tail, data, count)
        records.append(recorded(append, len(records) + 1))
        tail = append.tail
    return records


@given(DATAS)
def test_what_was_sealed_is_verified(datas: list[tuple[bytes, int]]) -> None:
    records = chain(datas)

    assert list(verified(STREAM, EMPTY, records)) == records
    assert records[-1].last == sum(count for _, count in datas)


@given(DATAS, st.data())
def test_any_changed_field_of_any_record_is_corrupt(datas: list[tuple[bytes, int]], data: st.DataObject) -> None:
    records = chain(datas)
    at = data.draw(st.integers(0, len(records) - 1))
    record = records[at]
    bit = data.draw(st.integers(0, 255))
    flipped = bytes(byte ^ (1 << bit % 8 if index == bit // 8 else 0) for index, byte in enumerate(record.digest))
    records[at] = data.draw(
        st.sampled_from([
            replace(record, data=record.data + b"!"),
            replace(record, first=record.first + 1),
            replace(record, last=record.last + 1),
            replace(record, previous=bytes(31) + b"\x01"),
            replace(record, digest=flipped),
            replace(record, stream=STREAM + "x"),
        ])
    )

    with pytest.raises(Corrupt):
        list(verified(STREAM, EMPTY, records))


@given(DATAS.filter(lambda datas: len(datas) > 1), st.data())
def test_a_missing_or_swapped_record_is_corrupt(datas: list[tuple[bytes, int]], data: st.DataObject) -> None:
    records = chain(datas)
    at = data.draw(st.integers(0, len(records) - 2))
    without = records[:at] + records[at + 1 :]
    swapped = [*records[:at], records[at + 1], records[at], *records[at + 2 :]]

    for changed in (without, swapped):
        with pytest.raises(Corrupt):
            list(verified(STREAM, EMPTY, changed))


def test_a_chain_goes_on_from_any_tail() -> None:
    records = chain([(b"a", 1), (b"b", 2), (b"c", 1)])

    assert list(verified(STREAM, records[0].tail, records[1:])) == records[1:]


def test_the_records_before_the_break_are_still_given() -> None:
    records = chain([(b"a", 1), (b"b", 2), (b"c", 1)])
    records[2] = replace(records[2], data=b"C")
    given_out: list[Record] = []

    with pytest.raises(Corrupt):
        given_out.extend(verified(STREAM, EMPTY, records))
    assert given_out == records[:2]


def test_the_error_says_where_the_chain_breaks() -> None:
    records = chain([(b"a", 1), (b"b", 2), (b"c", 1)])

    with pytest.raises(Corrupt) as caught:
        list(verified(STREAM, EMPTY, [records[0], records[2]]))

    error = caught.value
    assert (error.who, error.where) == (STREAM, "version 4, position 3")
    assert error.expected == f"stream {STREAM}, version 2, previous digest {records[0].digest.hex()[:12]}"
    assert error.found == f"stream {STREAM}, version 4, previous digest {records[1].digest.hex()[:12]}"
    assert "perdure log verify" in error.instead


def test_the_seal_is_the_same_for_ever() -> None:
    assert seal("a/b/c", GENESIS, 1, 2, b"{}").hex() == "7d3da8cced248c7bac654de4175d92bee140d73f886c3185f6bc2b7bc4513e3c"


def test_where_one_part_ends_and_the_next_begins_is_sealed() -> None:
    assert seal("a/b/c:1", GENESIS, 1, 1, b"") != seal("a/b/c", GENESIS, 1, 1, b"")
    assert seal("a", GENESIS, 1, 12, b"3") != seal("a", GENESIS, 11, 2, b"3")


def test_position_is_not_sealed() -> None:
    record = chain([(b"a", 1)])[0]

    assert verify(replace(record, position=99)).position == 99


def test_a_record_without_events_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        verify(recorded(sealed(STREAM, EMPTY, b"", 0), 1))


def test_a_head_takes_no_part_in_the_chain() -> None:
    with_head = sealed(STREAM, EMPTY, b"a", 1, Head("running", 0, "title", 1, 1))

    assert with_head.tail == sealed(STREAM, EMPTY, b"a", 1).tail
    assert with_head.tail != Tail(1, GENESIS)
