"""Chance that is the same for ever: a `random.Random` whose drawing is all our own code.

Python promises its own algorithms neither across versions nor for ever, and a log outlives both. The generator is
SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import MutableSequence, Sequence
from random import Random
from typing import Any, NoReturn, TypeVar, cast

from ...eventlog.errors import Invalid

T = TypeVar("T")

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


class Drawing(Random):
    """What `perdure.random()` gives. Distributions that need a platform's logarithm or sine are refused."""

    _state: int

    def seed(self, a: Any = 0, version: int = 2) -> None:
        """Start anew from an integer."""
        if not isinstance(a, int):
            raise Invalid("a seed must be an integer", who="perdure.random().seed", where="a", expected="int", found=type(a).__name__)
        self._state = a & MASK

    def getstate(self) -> tuple[Any, ...]:
        return (self._state,)

    def setstate(self, state: Any) -> None:
        self._state = int(state[0]) & MASK

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (0,), self.getstate()

    def _next(self) -> int:
        self._state = z = (self._state + GAMMA) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def random(self) -> float:
        """A multiple of 2**-53 in [0, 1)."""
        return (self._next() >> 11) / (1 << 53)

    def getrandbits(self, k: int, /) -> int:
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        words = sum(self._next() << (64 * i) for i in range((k + 63) // 64))
        return words & ((1 << k) - 1)

    def randbytes(self, n: int) -> bytes:
        return self.getrandbits(8 * n).to_bytes(n)

    def _below(self, n: int) -> int:
        """A uniform integer in [0, n), by rejection."""
        bits = n.bit_length()
        while (drawn := self.getrandbits(bits)) >= n:
            pass
        return drawn

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        choices = range(start) if stop is None else range(start, stop, step)
        if not choices:
            raise ValueError(f"empty range {choices}")
        return choices[self._below(len(choices))]

    def randint(self, a: int, b: int) -> int:
        return self.randrange(a, b + 1)

    def choice(self, seq: Any) -> Any:
        if not len(seq):
            raise IndexError("cannot choose from an empty sequence")
        return seq[self._below(len(seq))]

    def choices(self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> list[Any]:
        if weights is None and cum_weights is None:
            return [self.choice(population) for _ in range(k)]
        totals: list[float] = list(cum_weights) if cum_weights is not None else _running(cast("Sequence[float]", weights))
        if len(totals) != len(population) or not totals or totals[-1] <= 0:
            raise ValueError("weights must be as many as the population and more than zero in all")
        return [population[bisect(totals, self.random() * totals[-1], 0, len(totals) - 1)] for _ in range(k)]

    def shuffle(self, x: MutableSequence[Any]) -> None:
        for i in range(len(x) - 1, 0, -1):
            j = self._below(i + 1)
            x[i], x[j] = x[j], x[i]

    def sample(self, population: Any, k: int, *, counts: Any = None) -> list[Any]:
        pool: list[Any] = list(population) if counts is None else [x for x, n in zip(population, counts, strict=True) for _ in range(n)]
        if not 0 <= k <= len(pool):
            raise ValueError("sample larger than population or negative")
        self.shuffle(pool)
        return pool[:k]

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.random()

    def triangular(self, low: float = 0.0, high: float = 1.0, mode: float | None = None) -> float:
        drawn, middle = self.random(), 0.5 if mode is None or high == low else (mode - low) / (high - low)
        if drawn > middle:
            drawn, middle, low, high = 1.0 - drawn, 1.0 - middle, high, low
        return low + (high - low) * math.sqrt(drawn * middle)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise Invalid(
            "this distribution is not offered in a workflow",
            who="perdure.random()",
            expected="random, getrandbits, randbytes, randrange, randint, choice, choices, shuffle, sample, uniform or triangular",
            found="one that needs the logarithm or sine of the platform, which differ between machines",
            instead="draw it in a step",
        )

    betavariate = binomialvariate = expovariate = gammavariate = gauss = cast("Any", _refuse)
    lognormvariate = normalvariate = paretovariate = vonmisesvariate = weibullvariate = cast("Any", _refuse)


def _running(weights: Sequence[float]) -> list[float]:
    totals: list[float] = []
    for weight in weights:
        totals.append((totals[-1] if totals else 0.0) + weight)
    return totals
