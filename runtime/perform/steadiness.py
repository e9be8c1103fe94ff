"""Whether the wall clock can be believed: it is held against a clock that nobody can set.

A wall clock that somebody sets, or that a machine wakes up with, would let timers fire early by all of the difference. So a
jump holds timers until it is confirmed by a person, or gone. Small differences are corrections, and are followed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...actors.ports import Clock

logger = logging.getLogger("perdure.runtime")

JUMP = 30_000_000
"""Microseconds by which the wall clock may move between two looks without being doubted."""


class Steadiness:
    """Compares the wall clock with a steady one, `steady()` in microseconds from any beginning."""

    def __init__(self, clock: Clock, steady: Callable[[], int]) -> None:
        self._clock = clock
        self._steady = steady
        self._believed: int | None = None
        """By how much the wall clock is ahead of the steady one, as far as it is believed."""
        self._held = False

    def jumped(self) -> int:
        """Microseconds by which the wall clock has jumped and is doubted; 0 while it is believed."""
        ahead = self._clock.now() - self._steady()
        jump = 0 if self._believed is None else ahead - self._believed
        if abs(jump) <= JUMP:
            if self._held:
                logger.warning("the wall clock is back where it was: timers go on")
            self._believed, self._held = ahead, False
            return 0
        if not self._held:
            self._held = True
            logger.warning(
                "the wall clock has jumped by %+.1f s: no timer fires until it is back, or where it is right as it is, until "
                "runtime.confirm_clock() says so or this process is started anew", jump / 1e6
            )
        return jump

    def confirm(self) -> None:
        """The wall clock is right as it is."""
        self._believed, self._held = None, False
