"""Records, and the chain that ties the records of a stream together.

A record is what the log keeps of one append: one or more events as stored bytes. Its digest covers the digest before it,
so a changed, missing or swapped record cannot go unseen. Whoever appends seals; whoever reads verifies; a carrier
only keeps what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from msgspec import Struct

from .errors import Corrupt

GENESIS = bytes(32)


class Tail(Struct, frozen=True, gc=False):
    """How far a stream has come: the version of its last event and the digest of its last record."""

    version: int
    digest: bytes


EMPTY = Tail(0, GENESIS)


class Head(Struct, frozen=True, gc=False):
    """What an index says of a stream, so that nobody has to fold it: rebuildable, and written only when it changes.

    `wake_at` (microseconds since 1970) is when the stream next needs a turn: 0 means it is live now, None that
    nothing but a message from outside will move it.
    """

    status: str
    wake_at: int | None
    title: str
    started_at: int
    changed_at: int
    attributes: bytes = b"{}"


class Append(Struct, frozen=True, gc=False):
    """A wish to add one record to a stream, legal only if the stream ends at `expected`; `tail` is where it ends then.

    `head`, where given, replaces the stream's head in the same durable write.
    """

    stream: str
    expected: Tail
    tail: Tail
    data: bytes
    head: Head | None = None


class Record(Struct, frozen=True, gc=False):
    """One append as the log keeps it. `position` orders records within a log and means nothing outside it."""

    stream: str
    first: int
    last: int
    previous: bytes
    digest: bytes
    data: bytes
    position: int = 0

    @property
    def tail(self) -> Tail:
        return Tail(self.last, self.digest)


def seal(stream: str, previous: bytes, first: int, last: int, data: bytes) -> bytes:
    """The digest of a record: SHA-256 over the previous digest and the length-prefixed rest."""
    return sha256(previous + f"{len(stream)}:{stream}:{first}:{last}:{len(data)}:".encode() + data).digest()


def sealed(stream: str, expected: Tail, data: bytes, count: int, head: Head | None = None) -> Append:
    """An append of `count` events, encoded as `data`, behind `expected`."""
    last = expected.version + count
    return Append(stream, expected, Tail(last, seal(stream, expected.digest, expected.version + 1, last, data)), data, head)


def recorded(append: Append, position: int) -> Record:
    """The record that an accepted append becomes."""
    first, tail = append.expected.version + 1, append.tail
    return Record(append.stream, first, tail.version, append.expected.digest, tail.digest, append.data, position)


def verify(record: Record) -> Record:
    """The record itself, if its digest fits its content; else Corrupt."""
    if seal(record.stream, record.previous, record.first, record.last, record.data) != record.digest or record.last < record.first:
        raise broken(record, "a digest that fits the stored bytes", "other bytes than were once written")
    return record


def verified(stream: str, after: Tail, records: Iterable[Record]) -> Iterator[Record]:
    """The records, each checked to continue the one before it, from `after` on; the first that does not is Corrupt."""
    version, digest, named = after.version, after.digest, f"{len(stream)}:{stream}"
    for record in records:
        if record.stream != stream or record.first != version + 1 or record.previous != digest:
            raise broken(record, f"stream {stream}, version {version + 1}, previous digest {digest.hex()[:12]}",
                         f"stream {record.stream}, version {record.first}, previous digest {record.previous.hex()[:12]}")
        last, data = record.last, record.data  # and `seal`, but the stream is put into words once
        sealed_as = sha256(digest + f"{named}:{version + 1}:{last}:{len(data)}:".encode() + data).digest()
        if sealed_as != record.digest or last <= version:
            raise broken(record, "a digest that fits the stored bytes", "other bytes than were once written")
        version, digest = last, record.digest
        yield record


def broken(record: Record, expected: str, found: str) -> Corrupt:
    return Corrupt(
        "the chain of a stream does not hold",
        who=record.stream,
        where=f"version {record.first}, position {record.position}",
        expected=expected,
        found=found,
        instead="do not write to this stream; compare with a backup, and run 'perdure log verify' to see how far the damage goes",
    )
