"""Records as JetStream messages: a subject per stream, the chain in headers, the stored bytes as the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from ....eventlog.errors import Corrupt, Invalid
from ....eventlog.records import Record
from ....eventlog.streams import partition_of

RECORD = "Perdure-Record"
"""First version, last version, previous digest, digest: one header for all, because each costs the client as much as the rest of a step."""
FENCE = "Nats-Expected-Last-Subject-Sequence"
LINES = f"{FENCE}: %d\r\n{RECORD}: %d %d %s %s\r\n"
"""The headers of a record: the sequence that its subject has to end at, and the chain."""
HEADERS_BYTES_MAX = 320

SEAT = "seat"
"""In the place of a partition: below it a tree names the worker that may write to each."""

NAMESPACE = re.compile(r"[A-Za-z0-9-]{1,64}")
STREAM = re.compile(r"[A-Za-z0-9_/-]+")
ADDRESSES_MAX = 65_536
NOTHING = "_"
"""An empty part of a stream's name: a subject has no empty tokens, and no escaped part is a lone underscore."""


class Subjects(Struct, frozen=True, gc=False):
    """Where a namespace lives: in JetStream streams `PERDURE_<namespace>_<part>`, below `perdure.<namespace>.<tree>.<partition>`."""

    namespace: str
    partitions: int

    @property
    def bucket(self) -> str:
        """The name of the JetStream stream that holds all records."""
        return self.bucket_of("LOG")

    @property
    def all(self) -> str:
        return self.tree("log")

    def bucket_of(self, part: str) -> str:
        """The name of the JetStream stream for one part of what is kept."""
        return f"PERDURE_{self.namespace}_{part}"

    def tree(self, name: str) -> str:
        """All subjects of a tree."""
        return f"perdure.{self.namespace}.{name}.>"

    def branch(self, tree: str, partition: int) -> str:
        """What is below one partition of a tree."""
        return f"perdure.{self.namespace}.{tree}.{partition}.>"

    def leaf(self, tree: str, partition: int) -> str:
        """The one subject of a partition, in a tree that has one each."""
        return f"perdure.{self.namespace}.{tree}.{partition}"

    def seat(self, tree: str, partition: int) -> str:
        """Where a tree names the worker that may write below one partition."""
        return f"perdure.{self.namespace}.{tree}.{SEAT}.{partition}"

    def root(self, tree: str) -> str:
        """What all subjects of a tree begin with."""
        return f"perdure.{self.namespace}.{tree}."

    @property
    def addresses(self) -> Addresses:
        """Where each stream is: whoever asks at each step looks there."""
        return addresses_in(self.partitions)

    def of(self, stream: str, tree: str = "log") -> str:
        """The subject of a stream in a tree."""
        return self.root(tree) + self.addresses[stream].tokens

    def partition_of(self, stream: str) -> int:
        return self.addresses[stream].partition


class Message(Struct, frozen=True, gc=False):
    """A message as a bucket keeps it."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes


class Address(Struct, frozen=True, gc=False):
    """A stream's partition, and the end of its subjects in all trees, from the partition on."""

    partition: int
    tokens: str


class Addresses(dict[str, Address]):
    """The addresses of streams, kept since each step asks several times and the partition costs a loop over the name."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def __missing__(self, stream: str) -> Address:
        if not STREAM.fullmatch(stream):
            raise Invalid("a name of a stream fits no subject", where="stream", found=repr(stream),
                          expected="parts of [A-Za-z0-9_-] between slashes", instead="make the name with stream_of; it escapes each part")
        if len(self) >= ADDRESSES_MAX:
            self.clear()
        partition, tokens = partition_of(stream, self._partitions), ".".join(part or NOTHING for part in stream.split("/"))
        address = self[stream] = Address(partition, f"{partition}.{tokens}")
        return address


@lru_cache(maxsize=16)
def addresses_in(partitions: int) -> Addresses:
    """The addresses where there are so many partitions."""
    return Addresses(partitions)


def stream_of_subject(subject: str) -> str:
    name = subject.split(".", 4)[4].replace(".", "/")
    if f"/{NOTHING}/" not in f"/{name}/":
        return name
    return "/".join("" if token == NOTHING else token for token in name.split("/"))


def checked_namespace(namespace: str) -> str:
    if NAMESPACE.fullmatch(namespace):
        return namespace
    raise Invalid("a namespace does not fit a subject", where="namespace", expected="1 to 64 of [A-Za-z0-9-]", found=repr(namespace),
                  instead="choose a plain name, such as 'production'")


def record_of(message: Message, body: bytes) -> Record:
    """The record that a stored message holds, its own bytes being `body`; a message that no log wrote is Corrupt."""
    first, last, previous, digest = link_in(message)
    return Record(stream_of_subject(message.subject), first, last, previous, digest, body, message.sequence)


def link_in(message: Message) -> tuple[int, int, bytes, bytes]:
    """First version, last version, previous digest and digest of the record that a message holds; Corrupt where it holds none."""
    try:
        first, last, previous, digest = message.headers[RECORD].split(" ")
        return int(first), int(last), bytes.fromhex(previous), bytes.fromhex(digest)
    except (KeyError, ValueError) as error:
        raise Corrupt(
            "the log holds a message that is no record",
            who=stream_of_subject(message.subject),
            where=f"subject {message.subject}, sequence {message.sequence}",
            expected=f"a header {RECORD}",
            found=f"{type(error).__name__}: {error}",
            instead="let nothing but perdure publish below this subject; the message itself shows who did",
        ) from error
