"""Heads as text: in the header of the record that changed them, and as messages of the views."""

from __future__ import annotations

import json
from collections.abc import Mapping
from sys import intern

import msgspec
from msgspec import Struct

from ....eventlog.errors import Corrupt
from ....eventlog.log import Summary
from ....eventlog.records import EMPTY, Head, Tail
from ..wire.messages import Message, link_in, stream_of_subject

HEAD = "Perdure-Head"
NO_ATTRIBUTES = b"{}"
HEADER_BYTES_MAX = 32 * 1024
"""A longer head stands behind the record's own bytes, and the header says how long it is: servers bound headers to 64 KiB."""


class Written(Struct, frozen=True, gc=False):
    """A head in JSON: attributes, which are JSON themselves, as a text."""

    status: str
    wake_at: int | None
    title: str
    started_at: int
    changed_at: int
    attributes: str = "{}"


class Entry(Struct, frozen=True, gc=False):
    """A message of a view: the head, and the tail that it was written with."""

    version: int
    digest: str
    head: Written


written = msgspec.json.Decoder(Written).decode
entry = msgspec.json.Decoder(Entry).decode
encode = msgspec.json.Encoder().encode


def with_head(head: Head, body: bytes, lines: str) -> tuple[bytes, str]:
    """A message's body and its headers, as lines, with the head of its record; a long one stands at the end of the body.

    Headers are ASCII alone, since clients differ in what else they read.
    """
    text = encode(writing(head)).decode()
    if not text.isascii():
        text = json.dumps(json.loads(text), separators=(",", ":"))
    if len(text) <= HEADER_BYTES_MAX:
        return body, f"{lines}{HEAD}: {text}\r\n"
    return body + text.encode(), f"{lines}{HEAD}: +{len(text)}\r\n"


def without_head(headers: Mapping[str, str], body: bytes) -> bytes:
    """The record's own bytes in a body."""
    text = headers.get(HEAD, "")
    return body[: -int(text)] if text.startswith("+") else body


def laid(message: Message) -> tuple[Tail, Summary | None]:
    """The tail that a message of the log made, and the summary that it leads to, if its record changed the head."""
    _, last, _, digest = link_in(message)
    tail, text = Tail(last, digest), message.headers.get(HEAD)
    if text is None:
        return tail, None
    try:
        head = read_head(written(message.data[-int(text) :] if text.startswith("+") else text))
    except (msgspec.MsgspecError, ValueError) as error:
        raise unreadable(message, HEAD, error) from error
    return tail, Summary(stream_of_subject(message.subject), tail, head)


def hint(stream: str) -> Summary:
    """What stands for a head that cannot be read: its run is woken, and its log says how it really stands."""
    return Summary(stream, EMPTY, Head("damaged", 0, "", 0, 0))


def entry_data(summary: Summary) -> bytes:
    """The message of a view."""
    return encode(Entry(summary.tail.version, summary.tail.digest.hex(), writing(summary.head)))


def summary_in(message: Message) -> Summary:
    """The summary that a message of a view holds."""
    try:
        found = entry(message.data)
        return Summary(stream_of_subject(message.subject), Tail(found.version, bytes.fromhex(found.digest)), read_head(found.head))
    except (msgspec.MsgspecError, ValueError) as error:
        raise unreadable(message, "a head", error) from error


def writing(head: Head) -> Written:
    return Written(head.status, head.wake_at, head.title, head.started_at, head.changed_at, head.attributes.decode())


def read_head(found: Written) -> Head:
    """The head; words that many heads share are kept once."""
    attributes = NO_ATTRIBUTES if found.attributes == "{}" else found.attributes.encode()
    return Head(intern(found.status), found.wake_at, intern(found.title), found.started_at, found.changed_at, attributes)


def unreadable(message: Message, expected: str, error: Exception) -> Corrupt:
    where = f"subject {message.subject}, sequence {message.sequence}"
    return Corrupt("the index of heads cannot be read", who=stream_of_subject(message.subject), where=where, expected=expected,
                   found=f"{type(error).__name__}: {error}",
                   instead="let nothing but perdure publish there; heads can be made anew from the log, which is untouched")
