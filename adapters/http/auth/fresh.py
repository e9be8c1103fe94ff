"""What was asked for a moment ago and is not asked for again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from msgspec import Struct

from ....eventlog.errors import PerdureError

T = TypeVar("T")

FRESH = 1_000_000
"""Microseconds for which what was found is not asked for again: so long another process may let in who is to stay outside."""

KNOWN_MAX = 10_000


class Question(Struct, eq=False):
    """What is being asked by one, for all who want to know it meanwhile."""

    answered: anyio.Event
    error: PerdureError | None = None


class Fresh(Generic[T]):
    """Answers by name, each as old as a second at most; however many want one at once, it is asked for once."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        """Microseconds since 1970."""
        self._known: dict[str, tuple[int, T]] = {}
        self._asked: dict[str, Question] = {}

    async def get(self, name: str, ask: Callable[[str], Awaitable[T]]) -> T:
        while True:
            now = self._now()
            known = self._known.get(name)
            if known is not None and 0 <= now - known[0] < FRESH:
                return known[1]
            question = self._asked.get(name)
            if question is None:
                return await self._ask(name, ask, now)
            await question.answered.wait()  # and then look again: who asked may have been cancelled, or told to forget
            if question.error is not None:
                raise question.error

    async def _ask(self, name: str, ask: Callable[[str], Awaitable[T]], now: int) -> T:
        question = self._asked[name] = Question(anyio.Event())
        try:
            found = await ask(name)
        except PerdureError as error:
            question.error = error
            raise
        else:
            if self._asked.get(name) is question:
                self._keep(name, now, found)
            return found
        finally:
            if self._asked.get(name) is question:
                del self._asked[name]
            question.answered.set()

    def _keep(self, name: str, now: int, found: T) -> None:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[name] = now, found

    def forget(self, name: str) -> None:
        """It has changed here: an answer that is on its way may be older than that, and is not kept either."""
        self._known.pop(name, None)
        self._asked.pop(name, None)
