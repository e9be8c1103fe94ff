"""Snapshots: folded state at a version. A cache of the log, never evidence: a damaged one is passed over."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from .records import Tail


class Snapshot(Struct, frozen=True, gc=False):
    """The state of a stream at `tail`, as bytes that its kind made in its `state_version`."""

    stream: str
    tail: Tail
    state_version: int
    data: bytes
    seal: bytes

    @classmethod
    def of(cls, stream: str, tail: Tail, state_version: int, data: bytes) -> Snapshot:
        return cls(stream, tail, state_version, data, seal_of(stream, tail, state_version, data))

    @property
    def intact(self) -> bool:
        return self.seal == seal_of(self.stream, self.tail, self.state_version, self.data)


def seal_of(stream: str, tail: Tail, state_version: int, data: bytes) -> bytes:
    return sha256(tail.digest + f"{len(stream)}:{stream}:{tail.version}:{state_version}:{len(data)}:".encode() + data).digest()
