"""The anchor: evidence, in a file of its own, of how far the log had come.

A chain cannot see that its end is missing, and an anchor in the same file would be rolled back with it. So each
commit writes one small slot here, by turns one of two; the file is synced at most once a second. A log that is behind
its anchor, or that holds another record there, has been cut or replaced. A power cut may lose the last second of
anchors (never of the log), so a cut within that second can go unseen; the end of a process loses nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from struct import Struct as Layout
from time import monotonic

from msgspec import Struct

from ...eventlog.errors import Corrupt
from ...eventlog.records import GENESIS

MAGIC = b"perdure1"
BODY = Layout("<Q32s32s32s")
SLOT_BYTES = len(MAGIC) + BODY.size + 32
SLOT_OFFSETS = (0, 4096)  # far apart, so that one torn write cannot harm both
FILE_SIZE = 8192
SYNC_SECONDS = 1.0
BLOCK_RECORDS = 32
BLOCK_BYTES = BLOCK_RECORDS * 32


class Place(Struct, frozen=True, gc=False):
    """A position, the digest of the record there, and what the running digest over all records up to it is made from.

    The running digest goes on from block to block of 32 records, because hashing each record once more would cost as
    much as its chain does: `base` is what it was at the end of the last full block, `block` the digests since.
    """

    position: int
    digest: bytes
    base: bytes
    block: bytes = b""

    @property
    def running(self) -> bytes:
        """The digest over the digests of all records up to here."""
        return sha256(self.base + self.block).digest() if self.block else self.base

    def moved(self, digests: Sequence[bytes]) -> Place:
        """The place behind the records with these digests."""
        if not digests:
            return self
        base, blocks = self.base, self.block + b"".join(digests)
        full = len(blocks) - len(blocks) % BLOCK_BYTES
        for start in range(0, full, BLOCK_BYTES):
            base = sha256(base + blocks[start : start + BLOCK_BYTES]).digest()
        return Place(self.position + len(digests), digests[-1], base, blocks[full:])


START = Place(0, GENESIS, GENESIS)


class Mark(Struct, frozen=True, gc=False):
    """What a slot says of a place."""

    position: int
    digest: bytes
    base: bytes
    running: bytes


class Anchor:
    """The open anchor file."""

    def __init__(self, path: Path) -> None:
        self.path = anchor_path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        self._next_slot = 0
        self._sync_at: float | None = None

    def start(self, place: Place) -> None:
        """Write both slots and make the file itself durable."""
        os.truncate(self._file, FILE_SIZE)
        for _ in SLOT_OFFSETS:
            self.write(place)
            self.sync()
        sync_directory(self.path.parent)

    def write(self, place: Place) -> None:
        """Note a place in the slot whose turn it is; the disk has it a second later at most."""
        os.pwrite(self._file, packed(place), SLOT_OFFSETS[self._next_slot])
        self._next_slot ^= 1
        if self._sync_at is None:
            self._sync_at = monotonic() + SYNC_SECONDS

    def sync_when_due(self) -> float | None:
        """Sync if a second has passed since the first unsynced write; the seconds that are left, or None if clean."""
        if self._sync_at is None:
            return None
        left = self._sync_at - monotonic()
        if left > 0:
            return left
        self.sync()
        return None

    def sync(self) -> None:
        if self._sync_at is not None:
            os.fsync(self._file)
            self._sync_at = None

    def close(self) -> None:
        os.close(self._file)


def anchor_path(path: Path) -> Path:
    return Path(f"{path}-anchor")


def anchored(path: Path) -> Mark | None:
    """The newest mark that the anchor file of a log holds; None if there is none, or none that is whole."""
    try:
        content = anchor_path(path).read_bytes()
    except FileNotFoundError:
        return None
    marks = [mark for offset in SLOT_OFFSETS if (mark := unpacked(content[offset : offset + SLOT_BYTES]))]
    return max(marks, key=lambda mark: mark.position, default=None)


def packed(place: Place) -> bytes:
    body = MAGIC + BODY.pack(place.position, place.digest, place.base, place.running)
    return body + sha256(body).digest()


def unpacked(slot: bytes) -> Mark | None:
    """The mark in a slot, if it was written whole."""
    body, checksum = slot[:-32], slot[-32:]
    if len(slot) != SLOT_BYTES or not body.startswith(MAGIC) or sha256(body).digest() != checksum:
        return None
    return Mark(*BODY.unpack(body[len(MAGIC) :]))


def cut(path: Path, expected: str, found: str) -> Corrupt:
    return Corrupt(
        "the log does not reach its anchor",
        who="the SQLite log",
        where=str(path),
        expected=expected,
        found=found,
        instead="put back the newest database, -wal and -anchor files, all from the same moment; 'perdure log verify' shows what is there; "
        "to go on with what is left, knowingly, open the log once with renew_anchor=True",
    )


def sync_directory(path: Path) -> None:
    """Make the names of new files durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
