"""The history: what clients wished and were told, when faults were there, and what a reader saw of the log meanwhile."""

from __future__ import annotations

import time
from collections.abc import Container, Generator
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct, field

Answer = Literal["", "applied", "refused"]


class Command(Struct):
    """A wish of a client, repeated under its id until it is answered. `content` is what its event must hold."""

    run: str
    kind: str
    id: str
    content: bytes = b""
    began: float = 0.0
    ended: float = 0.0
    answer: Answer = ""
    versions: list[int] = field(default_factory=list[int])
    """What it, and repeats after its answer, were told."""


class Call(Struct):
    """One time that a command was asked."""

    began: float
    answered: bool


class End(Struct):
    """How a run ended, as its waiter was told, and how it had to."""

    run: str
    status: str
    result: bytes
    wanted: tuple[str, tuple[bytes, ...]]


class Window(Struct):
    """From the blow until all was well again."""

    fault: str
    began: float
    ended: float = 0.0


class History:
    """Everything that the checker is given besides the final log and the journal."""

    def __init__(self) -> None:
        self.ahead = time.time() - time.monotonic()
        """What makes seconds since 1970 of the times of windows."""
        self.commands: list[Command] = []
        self.calls: list[Call] = []
        self.ends: list[End] = []
        self.windows: list[Window] = []
        self.strange: list[str] = []
        """Answers that nobody should get."""
        self.unwell: list[str] = []
        """What was not well again after a fault, in all the time that it had."""
        self.tended: list[str] = []
        """Servers that were started anew by hand before all was well."""
        self.unfinished: set[str] = set()
        """Runs that were begun and have not been seen to end."""

    @contextmanager
    def window(self, fault: str) -> Generator[None]:
        window = Window(fault, time.monotonic())
        self.windows.append(window)
        try:
            yield
        finally:
            window.ended = time.monotonic()

    def befell(self, faults: Container[str], since: float, until: float) -> bool:
        """Whether one of these faults was there at some time between these, in seconds since 1970."""
        return any(one.fault in faults and self.ahead + one.began <= until and self.ahead + one.ended >= since for one in self.windows)

    def calm(self) -> list[Call]:
        """The calls that began outside all windows."""
        return [call for call in self.calls if not any(one.began <= call.began <= one.ended for one in self.windows)]

    def gaps(self) -> dict[str, list[float]]:
        """Of each fault, by kind: the seconds that the slowest command took which overlapped it, and not the fault before it."""
        found: dict[str, list[float]] = {}
        over = 0.0
        for window in self.windows:
            touched = (one for one in self.commands if one.answer and over < one.began < window.ended and one.ended > window.began)
            found.setdefault(window.fault, []).append(max((one.ended - one.began for one in touched), default=0.0))
            over = window.ended
        return found
