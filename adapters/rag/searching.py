"""Searching: the words of a query, whatever signs are among them, by BM25; its vector by cosines; or both, as one ranking."""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from ...eventlog.errors import Invalid, Unavailable
from .embeddings.finding import vectors_named
from .fusing import fused
from .index import PASSAGES, Made, made_by, number_of, reading, table_of
from .nearest import nearest

Match = Literal["any", "all"]
Ranking = Literal["words", "vectors", "both"]
RANKINGS: dict[str, Ranking] = {name: name for name in get_args(Ranking)}

WORD = re.compile(r"\w+")
WORDS_MAX = 64
"""The first of a query, each once; the others are not looked for."""
QUERY_MAX = 10_000
"""Characters of a query that are embedded."""
LIMIT_MAX = 50
DEPTH = 100
"""Of each ranking, so many of the best are made one with those of the other."""
TITLE, TEXT = 3.0, 1.0
"""What a word counts for in a heading and in the text."""
AROUND = 24
"""Words in a snippet."""


class Hit(Struct, frozen=True):
    """A passage that was found. `start` and `end`: characters in what the document says; `line`: that of its source, from 1."""

    source: str
    title: str
    score: float
    """Within its collection, higher is better; those of two collections, or of two rankings, cannot be compared."""
    snippet: str
    """Where the words are, **marked**; the beginning of the text where there are none."""
    text: str
    start: int
    end: int
    line: int
    collection: str
    ranking: Ranking
    """What the score is by: BM25 (`words`), a cosine (`vectors`), or the places in both (`both`)."""


class Question(Struct, frozen=True):
    """What is asked of one collection. `words` is what FTS5 takes; `vector` is None where words alone are asked for."""

    words: str
    limit: int
    vector: array[float] | None = None
    by: str = ""
    """The name of the embedding that made the vector."""
    ranking: Ranking = "words"


def search(
    place: Path, tenant: str, collections: Sequence[str], query: str, *, limit: int, match: Match = "any",
    ranking: Ranking | None = None, embedding: str = "",
) -> list[Hit]:  # fmt: skip
    """The best passages of all collections; of several, the best of each stand before the second best. None where the query has no word.

    Without a `ranking`, those collections that have vectors are asked by both, and the others by words; so they are for all words of the
    query (`match`). `embedding` is the one that is meant, by default each collection's own; Invalid where a collection has another,
    or none and a ranking wants one. Embedding the query may take long, for a model is loaded when it is first needed.
    """
    words, names = expression(query, match), list(dict.fromkeys(collections))
    if match == "all" and ranking not in {None, "words"}:
        raise Invalid("all words of a query can be asked for by words alone", who="documents", where="match", expected="ranking: words",
                      found=f"ranking: {ranking}", instead="leave match out, or ask by words")
    with reading(place) as db:
        made = {name: made_by(db, number_of(db, tenant, name)) for name in names}
    by_words = not words or match == "all" or ranking == "words"
    questions = {
        name: Question(words, limit) if by_words else _question(name, one, query, Question(words, limit), ranking, embedding)
        for name, one in made.items()
    }  # fmt: skip
    with reading(place) as db:
        found = [_in_one(db, number_of(db, tenant, name), name, question) for name, question in questions.items()] if words else []
    return [hit for hit in chain.from_iterable(zip_longest(*found)) if hit is not None][:limit]


def expression(query: str, match: Match = "any") -> str:
    """The query as FTS5 takes it: each word in quotes, so that none is an operator, a column or a sign of its language."""
    words = {word.casefold(): word for word in WORD.findall(query) if any(map(str.isalnum, word))}
    return (" OR " if match == "any" else " AND ").join(f'"{word}"' for word in list(words.values())[:WORDS_MAX])


def _question(  # noqa: PLR0917 - handed on by its place
    name: str, made: Made | None, query: str, by_words: Question, ranking: Ranking | None, wish: str
) -> Question:
    """What a collection is asked, the query embedded as its passages were."""
    if made is None:
        if ranking is None:
            return by_words
        raise Invalid("the passages of the collection have no vectors", who=f"collection {name!r}", where="ranking",
                      expected="a collection that was embedded", found=f"ranking: {ranking}",
                      instead=f"have it embedded: perdure rag embed NAME --collection {name}")
    vectors = vectors_named(made.name, wish or made.wish, name)
    (vector,) = vectors.of([query[:QUERY_MAX]])
    return Question(by_words.words, by_words.limit, vector, made.name, ranking or "both")


def _in_one(db: sqlite3.Connection, number: int, name: str, question: Question) -> list[Hit]:
    """The best of one collection. Snippets are made for these alone, since each costs a look at the text."""
    ranked = _ranked(db, number, name, question)
    return [_hit(db, number, name, question, passage, score) for score, passage in ranked[: question.limit]]


def _ranked(db: sqlite3.Connection, number: int, name: str, question: Question) -> list[tuple[float, int]]:
    """(score, passage), the best first."""
    if question.vector is None:
        return _by_words(db, number, question.words, question.limit)
    made = made_by(db, number)
    if made is None or made.name != question.by:
        raise Unavailable("the collection was embedded anew meanwhile", who=f"collection {name!r}", expected=question.by,
                          found="none" if made is None else made.name, instead="ask again")
    if question.ranking == "vectors":
        return nearest(db, number, question.vector, question.limit)
    rankings = _by_words(db, number, question.words, DEPTH), nearest(db, number, question.vector, DEPTH)
    return fused([passage for _, passage in ranking] for ranking in rankings)


def _by_words(db: sqlite3.Connection, number: int, words: str, limit: int) -> list[tuple[float, int]]:
    table = table_of(number)
    best = (
        f"select p.rowid, bm25({table}, {TITLE}, {TEXT}) as cost from {table} p join document d on d.id = p.rowid >> {PASSAGES} "  # noqa: S608
        f"where {table} match ? order by cost, d.source, p.rowid limit ?"
    )
    return [(-cost, passage) for passage, cost in db.execute(best, (words, limit))]


def _hit(  # noqa: PLR0917 - what is told of a passage
    db: sqlite3.Connection, number: int, name: str, question: Question, passage: int, score: float
) -> Hit:
    table = table_of(number)
    said = f"select d.source, p.title, p.text, p.start, p.line from {table} p, document d where p.rowid = ? and d.id = ?"  # noqa: S608 - the same
    source, title, text, start, line = db.execute(said, (passage, passage >> PASSAGES)).fetchone()
    marked = f"select snippet({table}, 1, '**', '**', '…', {AROUND}) from {table} where {table} match ? and rowid = ?"  # noqa: S608 - the same
    found = db.execute(marked, (question.words, passage)).fetchone()
    snippet = " ".join(found[0].split()) if found else _beginning(text)
    return Hit(source, title, round(score, 6), snippet, text, start, start + len(text), line, name, question.ranking)


def _beginning(text: str) -> str:
    words = text.split(maxsplit=AROUND)
    return " ".join(words) if len(words) <= AROUND else " ".join(words[:AROUND]) + "…"
