"""The file of a move: lines of JSON, a digest over all of them at the end.

First a label, then of each run its large values and its records, as they stand in the log: their digests are a chain, which ends in
the event that says where the run goes to. What the label says is held against that.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from ...eventlog.errors import Invalid, Refused
from ...eventlog.guard import BYTES_MAX, guard
from ...eventlog.records import Record

FORMAT = 1


class Label(Struct, frozen=True, tag_field="part", tag="move"):
    """Which move it is, from which log to which, by their identities, and of which runs."""

    format: int
    move: str
    tenant: str
    source: str
    to: str
    runs: list[str]


class Content(Struct, frozen=True, tag_field="part", tag="blob"):
    """A large value of a stream; as many chunks follow as give its size."""

    stream: str
    digest: str
    size: int


class Chunk(Struct, frozen=True, tag_field="part", tag="chunk"):
    """A piece of the large value that was announced last, in base64."""

    data: bytes


class Entry(Struct, frozen=True, tag_field="part", tag="record"):
    """A record; digests in hexadecimal, the stored bytes in base64."""

    stream: str
    first: int
    last: int
    previous: str
    digest: str
    data: bytes

    @classmethod
    def of(cls, record: Record) -> Entry:
        return cls(record.stream, record.first, record.last, record.previous.hex(), record.digest.hex(), record.data)

    def record(self) -> Record:
        return Record(self.stream, self.first, self.last, bytes.fromhex(self.previous), bytes.fromhex(self.digest), self.data)


class End(Struct, frozen=True, tag_field="part", tag="end"):
    """SHA-256, in hexadecimal, of all lines before."""

    digest: str


Part = Label | Content | Chunk | Entry | End

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Part).decode


class Writer:
    """Writes lines, and their digest in the end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._digest = sha256()

    def write(self, part: Label | Content | Chunk | Entry) -> None:
        line = _encode(part) + b"\n"
        self._digest.update(line)
        with _telling(self._path):
            self._file.write(line)

    def end(self) -> None:
        with _telling(self._path):
            self._file.write(_encode(End(self._digest.hexdigest())) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


@contextmanager
def written(path: Path) -> Generator[Writer]:
    """A file that is there, whole and durable, at the end of the block, or not at all. Refused at once where it cannot be begun."""
    partial = path.with_name(f"{path.name}.partial")
    with _telling(path, "name another file; nothing has left"):
        file = partial.open("wb")
    try:
        with file:
            writer = Writer(file, path)
            yield writer
            writer.end()
        with _telling(path):
            partial.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def _telling(path: Path, instead: str = "name another file, and export again: it is the same move") -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise Refused("the file of a move cannot be written", who=str(path), where="--out", expected="a folder with room for it",
                      found=str(error), instead=instead) from error


def label_of(path: Path) -> Label:
    """What the file says of itself; Invalid where it is no file of a move."""
    part = next(parts(path), None)
    if not isinstance(part, Label):
        raise altered(path, 1, "the label of a move", type(part).__name__)
    if part.format != FORMAT:
        raise Invalid("the file of a move has another format", who=str(path), where="line 1", expected=f"format {FORMAT}",
                      found=str(part.format), instead="import it with the release that wrote it, or a newer one")
    return part


def parts(path: Path) -> Iterator[Label | Content | Chunk | Entry]:
    """The lines of a file, in order; Invalid where it was altered, which may be seen only at its end."""
    digest, number, ended = sha256(), 0, False
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                part = _part(path, number, line)
                if ended:
                    raise altered(path, number, "nothing behind the end", type(part).__name__)
                if isinstance(part, End):
                    ended = True
                    if part.digest != digest.hexdigest():
                        raise altered(path, number, f"lines with the digest {part.digest[:12]}", digest.hexdigest()[:12])
                else:
                    digest.update(line)
                    yield part
    except OSError as error:
        raise Invalid("the file of a move cannot be read", who=str(path), expected="a file that 'perdure log export' wrote",
                      found=str(error), instead="correct its name") from error
    if not ended:
        raise altered(path, number, "a last line with the digest of all", "none: the file was cut")


def _lines(file: BinaryIO) -> Iterable[bytes]:
    return iter(lambda: file.readline(BYTES_MAX), b"")


def _part(path: Path, number: int, line: bytes) -> Part:
    try:
        part: Part = _decode(guard(line, str(path)))
    except (msgspec.MsgspecError, ValueError) as error:
        raise altered(path, number, "a line as 'perdure log export' writes it", str(error)) from error
    return part


def altered(path: Path, number: int, expected: str, found: str) -> Invalid:
    return Invalid("the file of a move was altered, or is none", who=str(path), where=f"line {number}", expected=expected, found=found,
                   instead="export the runs again: it is the same move; nothing of this file was imported")
