"""The passages whose vectors are nearest to one: all are looked at, none is guessed.

With numpy, which models bring along, that takes a tenth of what it takes without. By hand, only those places are looked at where the
query has any number: a vector by `hashing` has few.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from heapq import nsmallest
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from operator import mul
from typing import Any, TypeAlias

from .embeddings.embedding import packed
from .index import vectors_of

ROWS = 64
"""Rows of the table in memory at once: each holds the vectors of up to 64 passages."""
DIGITS = 6
"""Of a cosine: what is behind them differs from one machine to the next."""

Best = Callable[[bytes, int], list[tuple[float, int]]]
"""(score, place) of so many vectors that lie one behind the other."""

Multiplying: TypeAlias = "Callable[[array[float]], Best]"


def nearest(
    db: sqlite3.Connection, number: int, query: array[float], limit: int, multiplied: Multiplying | None = None
) -> list[tuple[float, int]]:
    """(cosine, passage) of the best passages of a collection, the best first; those that have nothing of the query are not among them."""
    best_of = (multiplied or (with_numpy if find_spec("numpy") else by_hand))(query)
    best: list[tuple[float, int]] = []
    rows = db.execute(f"select passage, value from {vectors_of(number)}")  # noqa: S608 - a number of our own
    while chunk := rows.fetchmany(ROWS):
        ends = list(accumulate(len(value) // (4 * len(query)) for _, value in chunk))
        for score, place in best_of(b"".join([value for _, value in chunk]), limit):
            row = bisect_right(ends, place)
            passage = chunk[row][0] + place - (ends[row - 1] if row else 0)
            if (rounded := round(score, DIGITS)) > 0:
                best.append((-rounded, passage))
        best = nsmallest(limit, best)
    return [(-score, passage) for score, passage in best]


def with_numpy(query: array[float]) -> Best:
    numpy = _numpy()
    wanted = numpy.frombuffer(packed(query), dtype="<f4")

    def best(vectors: bytes, limit: int) -> list[tuple[float, int]]:
        scores = numpy.frombuffer(vectors, dtype="<f4").reshape(-1, len(wanted)) @ wanted
        places = numpy.argpartition(-scores, limit - 1)[:limit] if limit < len(scores) else numpy.arange(len(scores))
        return list(zip(scores[places].tolist(), places.tolist(), strict=True))

    return best


@cache
def _numpy() -> Any:
    return import_module("numpy")


def by_hand(query: array[float]) -> Best:
    places, size = [place for place, number in enumerate(query) if number], len(query)
    weights = [query[place] for place in places]

    def best(vectors: bytes, limit: int) -> list[tuple[float, int]]:
        numbers = array("f", vectors)
        if sys.byteorder == "big":
            numbers.byteswap()
        columns: Sequence[array[float]] = [numbers[place::size] for place in places]
        scores = [-sum(map(mul, weights, row)) for row in zip(*columns, strict=True)]
        return [(-score, place) for score, place in nsmallest(limit, zip(scores, range(len(scores)), strict=True))]

    return best
