"""A plain log in JetStream: append with a checked tail, read, load, follow. Heads, snapshots and ownership are elsewhere.

One message is one record. The server checks that a subject ends where the writer says (by sequence); that this is the
tail the writer means, version and digest, is checked before publishing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter

import anyio

from ....eventlog.errors import Conflict, Invalid
from ....eventlog.log import Cursor, Version
from ....eventlog.memory import conflict
from ....eventlog.records import EMPTY, Append, Record, Tail
from ..wire.buckets import LOG, PARTITIONS, prepare
from ..wire.connection import Connection
from ..wire.follower import follow
from ..wire.messages import HEADERS_BYTES_MAX, Subjects, checked_namespace
from ..wire.store import Store
from .committer import Committer, closing, too_large
from .loading import Known, Loading
from .reader import Reader, record_in
from .witness import Nobody, Witness

DATA = attrgetter("data")


class JetStreamLog:
    """Log over one JetStream stream; the asyncio loop only, as nats-py is."""

    def __init__(self, store: Store, witness: Witness | None = None, known: Known | None = None) -> None:
        self.store = store
        self.known = known
        self.reader = Reader(store)
        self.committer = Committer(self.reader, witness or Nobody())

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        connection: Connection,
        namespace: str,
        *,
        partitions: int = PARTITIONS,
        replicas: int = 1,
        answer_timeout: float = 2.0,
        patience: float = 10.0,
    ) -> AsyncGenerator[JetStreamLog]:
        """The log of a namespace alone, made where there is none; an existing one keeps the partitions it was made with.

        An answer is awaited for `answer_timeout` seconds; what has no verdict after `patience` is Unavailable.
        """
        subjects = Subjects(checked_namespace(namespace), partitions)
        store = Store(connection, subjects, answer_timeout=answer_timeout, patience=patience)
        await prepare(store, [LOG], replicas)
        log = cls(store)
        try:
            yield log
        finally:
            await log.committer.close()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        """As the protocol says; a cancelled caller leaves when the outcome is known, so that nothing trails behind it.

        The first record of a stream that is known to have existed is a Conflict even where the server has nothing of it any
        more: whoever loads it then learns what is wrong.
        """
        self._check_sizes(appends)
        existed = await self._existed(appends)
        if not existed:
            return await self._committed(appends)
        late = [append.expected == EMPTY and append.stream in existed for append in appends]
        wanted = [append for append, is_late in zip(appends, late, strict=True) if not is_late]
        outcomes = iter(await self._committed(wanted) if wanted else ())
        return [conflict(one, existed[one.stream]) if is_late else next(outcomes) for one, is_late in zip(appends, late, strict=True)]

    async def _committed(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        committing = self.committer.commit(appends)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([committing])
        if committing.cancelled():
            raise closing()
        return committing.result()

    async def _existed(self, appends: Sequence[Append]) -> Mapping[str, Tail]:
        """Of the streams that are to begin, those that once had."""
        beginning = [append.stream for append in appends if append.expected == EMPTY]
        return await self.known.tails(beginning) if self.known is not None and beginning else {}

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        """As the protocol says; a stream that is known to have been longer is Corrupt."""
        return await Loading(self.reader, self.committer.places, self.known).load(after)

    async def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        async for page in self.reader.complete(stream):
            for record in page:
                if record.first > after:
                    yield record

    async def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        async for message in follow(self.store, "LOG", 1 + sequence_in(after)):
            yield record_in(message)

    def cursor(self, record: Record) -> Cursor:
        return str(record.position)

    def _check_sizes(self, appends: Sequence[Append]) -> None:
        limit = self.store.connection.client.max_payload - HEADERS_BYTES_MAX
        if max(map(len, map(DATA, appends)), default=0) > limit:
            place, append = next((place, append) for place, append in enumerate(appends) if len(append.data) > limit)
            raise too_large(append, f"$[{place}].data", f"at most {limit} bytes")


def sequence_in(cursor: Cursor | None) -> int:
    """The stream sequence that a cursor holds."""
    if cursor is None:
        return 0
    if cursor.isascii() and cursor.isdigit():
        return int(cursor)
    raise Invalid("a cursor is not one of this log", where="after", expected="digits, as cursor() gives them", found=repr(cursor),
                  instead="pass a cursor that this log gave, or None for the beginning")
