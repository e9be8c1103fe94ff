"""Searching: the words of a query, whatever signs are among them, against the passages of collections, the best by BM25 first."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .index import PASSAGES, number_of, reading, table_of

Match = Literal["any", "all"]

WORD = re.compile(r"\w+")
WORDS_MAX = 64
"""The first of a query, each once; the others are not looked for."""
LIMIT_MAX = 50
COLLECTIONS_MAX = 16
TITLE, TEXT = 3.0, 1.0
"""What a word counts for in a heading and in the text."""
AROUND = 24
"""Words in a snippet."""


class Hit(Struct, frozen=True):
    """A passage that was found. `start` and `end`: characters in what the document says; `line`: that of its source, from 1."""

    source: str
    title: str
    score: float
    """By BM25 within its collection, higher is better; those of two collections cannot be compared."""
    snippet: str
    """Where the words are, **marked**."""
    text: str
    start: int
    end: int
    line: int
    collection: str


def search(place: Path, tenant: str, collections: Sequence[str], query: str, *, limit: int, match: Match = "any") -> list[Hit]:
    """The best passages of all collections; of several, the best of each stand before the second best. None where the query has no word."""
    asked = expression(query, match)
    with reading(place) as db:
        found = [_in_one(db, number_of(db, tenant, name), name, asked, limit) for name in dict.fromkeys(collections)]
    return [hit for hit in chain.from_iterable(zip_longest(*found)) if hit is not None][:limit]


def expression(query: str, match: Match = "any") -> str:
    """The query as FTS5 takes it: each word in quotes, so that none is an operator, a column or a sign of its language."""
    words = {word.casefold(): word for word in WORD.findall(query) if any(map(str.isalnum, word))}
    return (" OR " if match == "any" else " AND ").join(f'"{word}"' for word in list(words.values())[:WORDS_MAX])


def _in_one(db: sqlite3.Connection, number: int, name: str, asked: str, limit: int) -> list[Hit]:
    """The best of one collection. Snippets are made for these alone, since each costs a look at the text."""
    if not asked:
        return []
    table = table_of(number)
    rows = f"from {table} p join document d on d.id = p.rowid >> {PASSAGES} where {table} match ?"
    best = f"select p.rowid, bm25({table}, {TITLE}, {TEXT}) as cost {rows} order by cost, d.source, p.rowid limit ?"
    said = f"select d.source, p.title, p.text, p.start, p.line, snippet({table}, 1, '**', '**', '…', {AROUND}) {rows} and p.rowid = ?"
    hits: list[Hit] = []
    for row, cost in db.execute(best, (asked, limit)).fetchall():
        source, title, text, start, line, snippet = db.execute(said, (asked, row)).fetchone()
        hits.append(Hit(source, title, round(-cost, 6), " ".join(snippet.split()), text, start, start + len(text), line, name))
    return hits
