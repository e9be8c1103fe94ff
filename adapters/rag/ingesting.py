"""Taking documents into the index, a transaction each: whoever searches meanwhile sees a document as it was or as it is.

A document is known by its source, and what is in the index by its digest: one that has not changed is neither read nor embedded again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from msgspec import Struct

from ...eventlog.errors import Invalid, NotFound
from .embeddings.embedding import Vectors
from .embeddings.finding import vectors_by, vectors_named
from .files import Content, Unreadable, content_in, content_of, found_in, parts_in, parts_of
from .index import made_by, name_or_raise, number_of, reading, transaction, writing
from .keeping import Document, Row, dropped, numbered, put, said_by, taken_out, with_vectors
from .markup import Part
from .passages import passages

SKIPPED_MAX = 100
"""So many are named; all are counted."""


class Skipped(Struct, frozen=True):
    """A document that was left out."""

    source: str
    why: str


class Removed(Struct, frozen=True):
    """How many documents a collection lost."""

    collection: str
    removed: int


class Ingested(Struct):
    """What became of the documents of one call, and how many the collection has."""

    collection: str
    added: int = 0
    changed: int = 0
    same: int = 0
    removed: int = 0
    left_out: int = 0
    documents: int = 0
    passages: int = 0
    embedding: str = ""
    """By which the passages have vectors; empty where they have none."""
    skipped: list[Skipped] = []


class Given(Struct, frozen=True):
    """A document that was handed over: `source` is a name and no more, and `suffix` says how it is read, as the ending of a file would."""

    source: str
    data: bytes
    suffix: str


def ingest(
    place: Path, tenant: str, collection: str, paths: Sequence[str], *, embedding: str = "", prune: bool = False,
    told: Callable[[int], None] | None = None,
) -> Ingested:  # fmt: skip
    """Take in all documents below the paths. With `prune` those are removed whose source was below one of the paths, and is gone.

    A source is the path as it was given: ingest from the same folder each time, or by absolute paths. `told` hears how many are done.
    `embedding` says by what a new collection gets vectors; one that is there keeps its own, and Invalid says so where that is another.
    """
    name_or_raise(collection)
    found = list(found_in(paths))
    files = [file for file, why in found if not why]
    with _intake(place, tenant, collection, embedding) as intake:
        for count, file in enumerate(files, 1):
            intake.take(file.as_posix(), partial(content_of, file), partial(parts_of, file))
            if told is not None:
                told(count)
        for file, why in found:
            if why:
                intake.leave_out(file.as_posix(), why)
        if prune:
            intake.prune({file.as_posix() for file in files}, paths)
    return intake.done


def ingest_given(place: Path, tenant: str, collection: str, documents: Sequence[Given], *, embedding: str = "") -> Ingested:
    """Take in documents that were handed over. No file is looked for, whatever their sources say."""
    name_or_raise(collection)
    with _intake(place, tenant, collection, embedding) as intake:
        for one in documents:
            intake.take(one.source, partial(content_in, one.data, one.suffix), partial(_parts_given, one))
    return intake.done


def _parts_given(one: Given, text: str) -> tuple[str, list[Part]]:
    name = PurePosixPath(one.source)
    return parts_in(text, one.suffix, name.stem if one.suffix == ".py" else name.name)


def remove(place: Path, tenant: str, collection: str, sources: Sequence[str]) -> Removed:
    """Remove documents by their sources, all of them or, where one is not there, none (NotFound); without any the whole collection."""
    with reading(place):  # where there is no index, none is made
        pass
    with writing(place) as db, transaction(db):
        number = number_of(db, tenant, collection)
        if sources:
            return Removed(collection, sum(_taken_out_or_raise(db, number, collection, source) for source in dict.fromkeys(sources)))
        return Removed(collection, dropped(db, number))


class Intake:
    """One collection while documents are taken into it."""

    def __init__(self, db: sqlite3.Connection, number: int, collection: str, vectors: Vectors | None) -> None:
        self._db, self._number, self._vectors = db, number, vectors
        self.done = Ingested(collection, embedding="" if vectors is None else vectors.name)

    def take(self, source: str, content: Callable[[], Content], parts: Callable[[str], tuple[str, list[Part]]]) -> None:
        """Take a document in, unless it is as it was; what cannot be read is left out, and named."""
        try:
            found = content()
            if self._digest_of(source) == found.digest:
                self.done.same += 1
                return
            title, said = parts(found.text)
        except Unreadable as error:
            self.leave_out(source, str(error))
            return
        rows = [
            Row(part.title or title, part.text[start:end], part.start + start, part.line + part.text.count("\n", 0, start))
            for part in said for start, end in passages(part.text)
        ]  # fmt: skip
        vectors = [] if self._vectors is None else list(self._vectors.of([said_by(row.title, row.text) for row in rows]))
        document = Document(source, title, found.digest, sum(len(part.text) for part in said), rows, vectors)
        if put(self._db, self._number, document, self._vectors):
            self.done.changed += 1
        else:
            self.done.added += 1

    def leave_out(self, source: str, why: str) -> None:
        """Count a document that is not taken in, and name it while there are not too many."""
        self.done.left_out += 1
        if len(self.done.skipped) < SKIPPED_MAX:
            self.done.skipped.append(Skipped(source.encode(errors="replace").decode(), why))

    def prune(self, here: set[str], paths: Sequence[str]) -> None:
        """Remove what came from below one of the paths, and is not here any more."""
        known = [source for (source,) in self._db.execute("select source from document where collection = ?", (self._number,))]
        for source in known:
            if source not in here and any(Path(source).is_relative_to(path) for path in paths):
                with transaction(self._db):
                    self.done.removed += taken_out(self._db, self._number, source)

    def count(self) -> None:
        asked = "select count(*), coalesce(sum(passages), 0) from document where collection = ?"
        self.done.documents, self.done.passages = self._db.execute(asked, (self._number,)).fetchone()

    def _digest_of(self, source: str) -> str:
        """Of what is in the index by this source; empty where nothing is."""
        asked = "select digest from document where collection = ? and source = ?"
        row = self._db.execute(asked, (self._number, source)).fetchone()
        return "" if row is None else str(row[0])


@contextmanager
def _intake(place: Path, tenant: str, collection: str, wish: str) -> Generator[Intake]:
    """The collection, made where there is none; behind the block it is counted."""
    wanted = vectors_by(wish) if wish else None
    with writing(place) as db:
        with transaction(db):
            number = numbered(db, tenant, collection)
            if wanted is not None and made_by(db, number) is None:
                _must_be_empty(db, number, collection)
                with_vectors(db, number, wish, wanted)
            made = made_by(db, number)
        intake = Intake(db, number, collection, None if made is None else vectors_named(made.name, wish or made.wish, collection))
        yield intake
        intake.count()


def _must_be_empty(db: sqlite3.Connection, number: int, collection: str) -> None:
    if db.execute("select 1 from document where collection = ? limit 1", (number,)).fetchone():
        raise Invalid("the passages of the collection have no vectors", who=f"collection {collection!r}", where="embedding",
                      expected="a new collection, or one that was embedded", found="documents without",
                      instead=f"have them embedded: perdure rag embed NAME --collection {collection}")


def _taken_out_or_raise(db: sqlite3.Connection, number: int, collection: str, source: str) -> bool:
    if not taken_out(db, number, source):
        raise NotFound("there is no such document", who=f"collection {collection!r}", where="SOURCE", expected="a source that is there",
                       found=source, instead=f"perdure rag list --collection {collection} shows them")
    return True
