"""Messages as the protocol has them, many to one call of the client: it frames each by itself, at the price of all else of an append."""

from __future__ import annotations

from collections.abc import Mapping


def framed(subject: str, body: bytes, headers: Mapping[str, str], reply: str = "", more: str = "") -> bytes:
    """A message with headers, `more` being lines of them."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    head = f"NATS/1.0\r\n{''.join(lines)}{more}\r\n".encode()
    size = len(head)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (f"{subject} {reply}".encode(), size, size + len(body), head, body)


def plain(subject: bytes, body: bytes, reply: bytes = b"") -> bytes:
    """A message without headers."""
    return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(body), body)
