"""The embedding `hashing`: pieces of words, counted. It is no model: it finds what is spelled alike, not what means the same.

Each word, with its borders, is cut into pieces of 3 to 5 characters (as Bojanowski et al. do, Enriching Word Vectors with Subword
Information, 2017). Each piece is hashed to a place of the vector and a sign (feature hashing: Weinberger et al., Feature Hashing for
Large Scale Multitask Learning, 2009), and a word that comes often counts by the logarithm. It needs no package and no file, and
gives the same vectors on every machine.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

from ....eventlog.errors import Invalid

DIMENSIONS, LEAST, MOST = 512, 64, 4096
PIECES = (3, 4, 5)
WORD = re.compile(r"\w+")
LETTERS_MAX = 40
"""Of a word; what is longer is no word."""


class Hashing:
    """`dimensions`: more of them let fewer pieces share a place, and cost as much more."""

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self.name, self.dimensions = f"hashing-v1/{dimensions}", dimensions

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word, count in Counter(WORD.findall(text.casefold())).items():
            hashes = _hashes(word[:LETTERS_MAX])
            weight = (1 + math.log(count)) / math.sqrt(len(hashes))
            for number in hashes:
                vector[(number >> 1) % self.dimensions] += weight if number & 1 else -weight
        return vector


@lru_cache(maxsize=65_536)
def _hashes(word: str) -> tuple[int, ...]:
    """A number of 63 bits and a sign, the lowest bit, for each piece of a word."""
    return tuple(int.from_bytes(blake2b(piece.encode(errors="replace"), digest_size=8).digest()) for piece in _pieces(f"<{word}>"))


def _pieces(word: str) -> Iterator[str]:
    yield word
    for size in PIECES:
        if size < len(word):
            yield from (word[place : place + size] for place in range(len(word) - size + 1))


def made(argument: str) -> Hashing:
    """`hashing`, or `hashing:1024` with another number of dimensions."""
    if argument and not (argument.isascii() and argument.isdecimal() and LEAST <= int(argument[:9]) <= MOST):
        raise Invalid("hashing has no such number of dimensions", who="embedding 'hashing'", where=argument[:40],
                      expected=f"{LEAST} to {MOST}", found=repr(argument[:40]), instead=f"write hashing, for {DIMENSIONS}")
    return Hashing(int(argument) if argument else DIMENSIONS)
