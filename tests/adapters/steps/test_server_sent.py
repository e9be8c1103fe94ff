"""Server-sent events, however the network parts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perdure
from perdure.adapters.steps.completions import Reading
from perdure.adapters.steps.prompting import seconds_of
from perdure.adapters.steps.server_sent import BYTES_MAX, ServerSent
from tests.adapters.steps.model_server import ANSWER, events

STREAM = b"".join(events())


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_wherever_a_stream_is_parted_the_answer_is_the_same(cuts: list[int]) -> None:
    parser, reading = ServerSent(), Reading("a test", "small")
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]

    *told, last = [data for piece in pieces for data in parser.feed(piece)]
    for data in told:
        reading.take(data)

    assert last == "[DONE]"
    assert (reading.completion().text, reading.characters) == (ANSWER, len(ANSWER))


def test_comments_names_and_ids_are_passed_by_and_lines_of_data_are_joined() -> None:
    parser = ServerSent()

    assert list(parser.feed(b": hello\n\nid: 7\nevent: x\ndata: a\ndata:b\n\ndata\n\nretry: 3\n\n")) == ["a\nb", ""]
    assert list(parser.feed(b"data: left")) == []


def test_an_event_without_an_end_is_refused() -> None:
    for piece in (b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"):
        parser = ServerSent()
        for _ in range(BYTES_MAX // 1000):
            assert list(parser.feed(piece)) == []
        with pytest.raises(perdure.TooLarge):
            list(parser.feed(piece))


def test_when_to_come_again_is_read_by_the_clock_of_the_server() -> None:
    at = "Wed, 21 Oct 2026 07:28:00 GMT"

    assert seconds_of("7", "") == 7
    assert seconds_of("Wed, 21 Oct 2026 07:28:30 GMT", at) == 30
    assert seconds_of("Wed, 21 Oct 2026 07:27:30 GMT", at) == 0
    assert [seconds_of(text, date) for text, date in (("", at), ("soon", at), ("-1", at), (at, ""))] == [None] * 4
