"""The ports through which actors touch the world: a clock, and who owns what."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time in microseconds since 1970. Only lateness may depend on it, never an outcome."""

    def now(self) -> int: ...


class Ownership(Protocol):
    """Which streams this node owns, and under which epoch.

    Nothing is kept safe by this answer: two nodes may both believe. What is safe is the log's compare-and-append, which
    only one of them passes, and the epoch in every record, which tells the other that it has lost.
    """

    owner: str

    def epoch(self, stream: str) -> int | None:
        """The epoch under which this node owns the stream; None where another does."""
        ...


class Bell(Protocol):
    """Rings once: who waits goes on, who comes later does not wait. `anyio.Event` is one; a loop may offer a cheaper one."""

    def set(self) -> object: ...

    async def wait(self) -> object: ...


class OwnsAll:
    """The embedded answer: one process holds the log, so it owns every stream, under one epoch per opening."""

    def __init__(self, owner: str, epoch: int) -> None:
        self.owner = owner
        self._epoch = epoch

    def epoch(self, stream: str) -> int | None:
        return self._epoch
