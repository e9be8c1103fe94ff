"""Names of streams: reversible, safe on every carrier, spread over partitions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.eventlog.errors import Invalid
from perdure.eventlog.streams import STREAM_BYTES_MAX, escape, partition_of, parts_of, shortened, stream_of, unescape

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SHORT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@given(TEXT)
def test_escaping_is_reversible_and_safe(part: str) -> None:
    assert unescape(escape(part)) == part
    assert re.fullmatch(r"[A-Za-z0-9_-]*", escape(part))


@given(TEXT, TEXT)
def test_different_parts_never_share_an_escaped_form(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(SHORT, SHORT, SHORT)
def test_the_parts_of_a_stream_come_back(kind: str, tenant: str, id: str) -> None:
    stream = stream_of(kind, tenant, id)

    assert parts_of(stream) == (kind, tenant, id)
    assert stream.count("/") == 2


def test_a_plain_stream_reads_as_it_is() -> None:
    assert stream_of("workflow", "default", "order-1") == "workflow/default/order-1"
    assert stream_of("workflow", "a b", "x_y/é") == "workflow/a_20b/x_5fy_2f_c3_a9"


def test_the_longest_id_fits_and_one_byte_more_is_invalid() -> None:
    room = STREAM_BYTES_MAX - len("workflow/default/")

    assert len(stream_of("workflow", "default", "x" * room)) == STREAM_BYTES_MAX
    with pytest.raises(Invalid) as caught:
        stream_of("workflow", "default", "x" * (room + 1))
    assert (caught.value.expected, caught.value.found) == (f"1 to {room} bytes after escaping", f"{room + 1} bytes")


def test_an_empty_id_is_invalid() -> None:
    with pytest.raises(Invalid, match="does not fit a stream name"):
        stream_of("workflow", "default", "")


@given(TEXT, st.integers(20, 120))
def test_a_shortened_id_fits_its_room(id: str, room: int) -> None:
    short = shortened(id, room)

    assert len(escape(short)) <= room
    assert (short == id) == (len(escape(id)) <= room)


@given(st.text("abc", min_size=40, max_size=60), st.text("abc", min_size=40, max_size=60))
def test_shortened_ids_stay_different(one: str, other: str) -> None:
    assert (shortened(one, 30) == shortened(other, 30)) == (one == other)


@pytest.mark.parametrize(("text", "digest"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_partitions_follow_fnv1a_of_32_bits(text: str, digest: int) -> None:
    """The published test vectors of the function."""
    assert partition_of(text, 2**32) == digest


def test_partitions_are_used_evenly() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[partition_of(f"workflow/default/{number}", 8)] += 1

    assert min(counts) > 850
