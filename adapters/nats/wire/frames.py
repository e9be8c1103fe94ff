"""Messages as the protocol has them, many to one call of the client: it frames each by itself, at the price of all else of an append."""

from __future__ import annotations

AROUND = len("NATS/1.0\r\n\r\n")
END = b"\r\n"


def unlined(text: str) -> dict[str, str]:
    """The headers that are such lines."""
    return dict(line.split(": ", 1) for line in text.split("\r\n")[:-1])


def framed(subject: str, body: bytes, headers: str, reply: str = "") -> bytes:
    """A message with headers, as lines of ASCII."""
    size = AROUND + len(headers)
    head = f"HPUB {subject} {reply} {size} {size + len(body)}\r\nNATS/1.0\r\n{headers}\r\n".encode("ascii")
    return b"%b%b\r\n" % (head, body)


def plain(subject: bytes, body: bytes, reply: bytes = b"") -> bytes:
    """A message without headers."""
    return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(body), body)
