"""What an embedding is, and what is made sure of before its vectors are kept or compared."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Protocol

from ....eventlog.errors import Invalid

DIMENSIONS_MAX = 4096
NAME_MAX = 200
BATCH = 64
"""Texts that are embedded by one call."""


class Embedding(Protocol):
    """Makes a vector of a text. A package names how to make one in its entry points, under `perdure.embeddings`."""

    @property
    def name(self) -> str:
        """Which model, and which version of it: vectors of two names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, in their order. It is called in a thread beside the loop, by one caller at a time."""
        ...


class Vectors:
    """An embedding at work: in batches, by one thread at a time, and what it gives checked and brought to length 1."""

    def __init__(self, embedding: Embedding) -> None:
        self.name, self.dimensions = str(embedding.name), int(embedding.dimensions)
        self._embedding = embedding
        self._alone = Lock()
        if not 1 <= len(self.name) <= NAME_MAX:
            raise self._wrong("name", f"1 to {NAME_MAX} characters", f"{len(self.name)}")
        if not 1 <= self.dimensions <= DIMENSIONS_MAX:
            raise self._wrong("dimensions", f"1 to {DIMENSIONS_MAX}", str(self.dimensions))

    def of(self, texts: Sequence[str]) -> Iterator[array[float]]:
        """A vector of length 1 for each text; of a text that says nothing it may be 0."""
        for begin in range(0, len(texts), BATCH):
            batch = list(texts[begin : begin + BATCH])
            with self._alone:
                made = self._embedding.embed(batch)
            if len(made) != len(batch):
                raise self._wrong("embed", f"{len(batch)} vectors for {len(batch)} texts", f"{len(made)}")
            yield from map(self._unit, made)

    def _unit(self, vector: Sequence[float]) -> array[float]:
        if len(vector) != self.dimensions:
            raise self._wrong("embed", f"vectors of {self.dimensions} numbers", f"one of {len(vector)}")
        length = math.sqrt(sum(number * number for number in vector))
        if not math.isfinite(length):
            raise self._wrong("embed", "numbers", "one that is none")
        return array("f", (number / length for number in vector) if length else vector)

    def _wrong(self, where: str, expected: str, found: str) -> Invalid:
        return Invalid("an embedding does not keep to what it says", who=f"embedding {self.name[:NAME_MAX]!r}", where=where,
                       expected=expected, found=found, instead="mend the package that it is from")


def packed(vector: array[float]) -> bytes:
    """As it is kept: 32 bits a number, the low byte first, on every machine."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()
