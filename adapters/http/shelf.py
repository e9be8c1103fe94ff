"""The index of documents, as the service asks it: in threads, one that writes at a time, and with nothing told of this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from msgspec import Struct

from ...eventlog.errors import PerdureError, Unavailable
from ..rag.index import CollectionLine, DocumentLine, collections, documents, name_or_raise, no_such_collection, reading
from ..rag.ingesting import Given, Ingested, Removed, ingest_given, remove

TURN_SECONDS = 25.0
"""Documents are taken in by one request at a time; so long the others wait for their turn."""

T = TypeVar("T")
logger = logging.getLogger("perdure.http")


class CollectionPage(Struct, frozen=True):
    """Some of the collections, by name; `after` asks for the next page, and is None on the last."""

    collections: list[CollectionLine]
    after: str | None


class DocumentPage(Struct, frozen=True):
    """Some of the documents of a collection, by source; `after` asks for the next page, and is None on the last."""

    documents: list[DocumentLine]
    after: str | None


class Shelf:
    """The index of documents of this process. `found` says where it is, None where nobody said, and which embedding is meant."""

    def __init__(self, found: Callable[[], tuple[Path | None, str]]) -> None:
        self._found = found
        self._turn = anyio.Semaphore(1)

    async def collections(self, tenant: str, after: str, limit: int) -> CollectionPage:
        def look(place: Path) -> CollectionPage:
            if not place.is_file():
                return CollectionPage([], None)
            with reading(place) as db:
                lines = list(collections(db, tenant, after=after, limit=limit + 1))
            return CollectionPage(lines[:limit], lines[limit - 1].collection if len(lines) > limit else None)

        return await self._asked(look)

    async def documents(self, tenant: str, collection: str, after: str, limit: int) -> DocumentPage:
        def look(place: Path) -> DocumentPage:
            _must_be_there(place, tenant, collection)
            with reading(place) as db:
                lines = list(documents(db, tenant, collection, after=after, limit=limit + 1))
            return DocumentPage(lines[:limit], lines[limit - 1].source if len(lines) > limit else None)

        return await self._asked(look)

    async def take(self, tenant: str, collection: str, given: list[Given]) -> Ingested:
        """Take documents in, in a thread: where the collection has an embedding, vectors are made there, too."""
        embedding = self._found()[1]
        return await self._in_turn(lambda place: ingest_given(place, tenant, collection, given, embedding=embedding))

    async def remove(self, tenant: str, collection: str, sources: list[str]) -> Removed:
        def out(place: Path) -> Removed:
            _must_be_there(place, tenant, collection)
            return remove(place, tenant, collection, sources)

        return await self._in_turn(out)

    async def _in_turn(self, act: Callable[[Path], T]) -> T:
        with anyio.move_on_after(TURN_SECONDS):
            await self._turn.acquire()
            try:
                with anyio.CancelScope(shield=True):  # whoever waits is told what became of it
                    return await self._asked(act)
            finally:
                self._turn.release()
        raise _away("others take documents in")

    async def _asked(self, act: Callable[[Path], T]) -> T:
        """What an act in a thread gives. What is said of a collection is for who asks; all else is for who runs the service."""
        place, _ = self._found()
        if place is None:
            raise _away("nobody said where it is: set PERDURE_RAG")
        try:
            return await anyio.to_thread.run_sync(partial(act, place))
        except PerdureError as error:
            if str(error.parts().get("who", "")).startswith("collection "):
                raise
            logger.warning("the index of documents: %s", error)
            raise _away(error.message) from None


def _away(found: str) -> Unavailable:
    return Unavailable("the index of documents is away", who="documents", expected="an index that can be asked", found=found,
                       instead="ask again later: the log of the service's process says more")


def _must_be_there(place: Path, tenant: str, collection: str) -> None:
    if not place.is_file():
        raise no_such_collection(tenant, name_or_raise(collection))
