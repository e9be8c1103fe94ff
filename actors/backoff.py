"""How long to wait before what failed is tried again."""

from __future__ import annotations

DOUBLINGS_MAX = 20
"""A million times the first pause: more is never wanted, and what has failed for days would no longer be a float."""


def backoff(failures: int, *, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row: each pause is twice the one before it, and `longest` is the longest."""
    return min(longest, first * 2.0 ** min(failures, DOUBLINGS_MAX))
