"""The time of a simulation, and the wall clocks that its nodes show it by."""

from __future__ import annotations

import anyio

BEGINNING = 1_700_000_000_000_000
"""What a wall clock without offset shows when a simulation begins, in microseconds since 1970."""


def world_time() -> int:
    """What such a clock shows now."""
    return BEGINNING + round(anyio.current_time() * 1_000_000)


class NodeClock:
    """The wall clock of one node: the time of the world plus an offset that may jump."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset

    def now(self) -> int:
        return world_time() + self.offset
