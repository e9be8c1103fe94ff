"""What was asked for a moment ago and is not asked for again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH = 1_000_000
"""Microseconds for which what was found is not asked for again: so long another process may let in who is to stay outside."""

KNOWN_MAX = 10_000


class Fresh(Generic[T]):
    """Answers by name, each as old as a second at most."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        """Microseconds since 1970."""
        self._known: dict[str, tuple[int, T]] = {}

    async def get(self, name: str, ask: Callable[[str], Awaitable[T]]) -> T:
        now = self._now()
        known = self._known.get(name)
        if known is not None and 0 <= now - known[0] < FRESH:
            return known[1]
        found = await ask(name)
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[name] = now, found
        return found

    def forget(self, name: str) -> None:
        self._known.pop(name, None)
