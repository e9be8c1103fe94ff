"""Answers that come in masses, gathered as bytes."""

from __future__ import annotations

import asyncio

import pytest

from perdure.adapters.nats.wire.sheet import Leaf, Sheet, headers_in

pytestmark = pytest.mark.anyio

END = b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 7\r\n\r\n"
ONE = b"NATS/1.0\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\n\r\n"
PATIENT, BRIEF = 10.0, 0.05


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (ONE, {"Nats-Subject": "a.b", "Nats-Sequence": "7"}),
        (END, {"Status": "204", "Description": "EOB", "Nats-Num-Pending": "0", "Nats-Last-Sequence": "7"}),
        (b"NATS/1.0 503\r\n\r\n", {"Status": "503", "Description": ""}),
        (b"NATS/1.0 408 Bad Request\r\n\r\n", {"Status": "408", "Description": "Bad Request"}),
        (b'NATS/1.0\r\nPerdure-Head: {"a": "b:c"}\r\nother:\tx\r\n\r\n', {"Perdure-Head": '{"a": "b:c"}', "other": "x"}),
        (b"NATS/1.0\r\nname: \xff\r\n\r\n", {"name": "\ufffd"}),
        (b"", {}),
    ],
)
def test_headers_are_read_as_they_travel(block: bytes, expected: dict[str, str]) -> None:
    assert headers_in(block) == expected


async def test_a_sheet_holds_what_came_up_to_the_message_with_a_status() -> None:
    sheet = Sheet("inbox")
    address = sheet.address().encode()
    for headers, data in ((ONE, b"one"), (END, b"")):
        sheet.hear(address, headers, data)

    assert await sheet.gathered(PATIENT) == [Leaf(ONE, b"one"), Leaf(END, b"")]


async def test_what_comes_late_for_an_older_question_is_for_nobody() -> None:
    sheet = Sheet("inbox")
    older, newer = sheet.address().encode(), sheet.address().encode()
    sheet.hear(older, ONE, b"old")
    sheet.hear(newer, END, b"")
    sheet.hear(older, END, b"")

    assert await sheet.gathered(PATIENT) == [Leaf(END, b"")]


async def test_a_sheet_that_grows_is_waited_for_and_one_that_does_not_is_given_up() -> None:
    sheet = Sheet("inbox")
    address = sheet.address().encode()
    sheet.hear(address, ONE, b"one")
    waiting = asyncio.create_task(sheet.gathered(BRIEF))
    await asyncio.sleep(0)
    sheet.hear(address, ONE, b"two")

    assert await waiting is None


def test_what_the_server_says_wins_over_what_the_message_brought() -> None:
    leaf = Leaf(b"NATS/1.0\r\nNats-Sequence: 99\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\n\r\n", b"")

    assert (leaf.said(b"Nats-Sequence"), leaf.headers["Nats-Sequence"]) == (b"7", "7")
    assert dict(leaf.headers) == {"Nats-Sequence": "7", "Nats-Subject": "a.b"}
