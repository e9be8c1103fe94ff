"""Messages as the protocol has them, many to one call of the client: it frames each by itself, at the price of all else of an append."""

from __future__ import annotations

from collections.abc import Mapping


def lines(headers: Mapping[str, str]) -> str:
    """Headers as the lines that they are on the wire."""
    return "\r\n".join([*map(": ".join, headers.items()), ""])


def framed(subject: str, body: bytes, headers: str, reply: str = "") -> bytes:
    """A message with headers, as lines."""
    head = f"NATS/1.0\r\n{headers}\r\n".encode()
    size = len(head)
    return b"".join((f"HPUB {subject} {reply} {size} {size + len(body)}\r\n".encode(), head, body, b"\r\n"))


def plain(subject: bytes, body: bytes, reply: bytes = b"") -> bytes:
    """A message without headers."""
    return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(body), body)
