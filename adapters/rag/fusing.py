"""Two rankings made one, by nothing but the places in them: their scores cannot be compared.

Reciprocal rank fusion: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods
(SIGIR 2009), whose k is 60.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

K = 60


def fused(rankings: Iterable[Sequence[int]]) -> list[tuple[float, int]]:
    """(score, what is ranked), the best first: a place p, counted from 1, gives 1 / (60 + p), and what is in two rankings has both."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for place, one in enumerate(ranking, 1):
            scores[one] += 1 / (K + place)
    return sorted(((score, one) for one, score in scores.items()), key=lambda each: (-each[0], each[1]))
