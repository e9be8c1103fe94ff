"""An actor as the dispatcher keeps it, and what lies in its mailbox.

A mailbox is a plain list, swapped out whole for each turn. A command that nobody waits for is its own letter; only an
`ask` is wrapped, and an event object is made only when somebody really waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from ..eventlog.blobs import Blob
from ..eventlog.errors import PerdureError
from ..eventlog.records import EMPTY, Head, Tail
from .kind import Kind
from .ports import Bell


class Promise:
    """An answer that is not there yet."""

    __slots__ = ("_bell", "_event", "done", "error", "value")

    def __init__(self, bell: Callable[[], Bell] = anyio.Event) -> None:
        self._bell = bell
        self._event: Bell | None = None
        self.done = False
        self.value: Any = None
        self.error: PerdureError | None = None

    def keep(self, value: Any) -> None:
        if not self.done:
            self.done, self.value = True, value
            if self._event is not None:
                self._event.set()

    def breaks(self, error: PerdureError) -> None:
        if not self.done:
            self.done, self.error = True, error
            if self._event is not None:
                self._event.set()

    async def wait(self) -> Any:
        """The value, once it is there; raises the error that took its place."""
        if not self.done:
            self._event = self._bell()
            await self._event.wait()
        if self.error is not None:
            raise self.error
        return self.value


class Letter(Promise):
    """A command whose sender waits for an answer, and the promise of one."""

    __slots__ = ("command", "tail")

    def __init__(self, command: Any, bell: Callable[[], Bell] = anyio.Event) -> None:
        super().__init__(bell)
        self.command = command
        self.tail: Tail = EMPTY
        """How far the stream had durably come when it was answered."""


class Actor:
    """One actor in memory: its mail, and, between activation and forgetting, its state and where its stream ends."""

    __slots__ = (
        "answers", "at", "awake", "broken", "bytes", "claimed", "epoch", "exists", "failures", "head", "in_turn", "kind", "letters", "mail",
        "queued", "room", "snapshot_bytes", "snapshot_version", "state", "stream", "tail", "touched", "wanted",
    )

    def __init__(self, stream: str, kind: Kind[Any, Any, Any]) -> None:
        self.stream = stream
        self.kind = kind
        self.mail: list[Any] = []
        self.queued = False
        """In the dispatcher's list of ready actors."""
        self.in_turn = False
        """Its state may hold what is not durable yet."""
        self.room: anyio.Event | None = None
        """Somebody waits for room in the mailbox."""
        self.failures: list[int] = []
        """When the actor had to be forgotten because its own code broke."""
        self.exists = False
        """The stream was met in the log: do not open it without reading."""
        self.touched = 0
        self.wanted: tuple[Blob, ...] = ()
        """Large values without which its letters could not be judged."""
        self.broken: PerdureError | None = None
        """Why its stream cannot be folded: it does not hold, or the kind's own code breaks on it."""
        self.forget()

    def forget(self) -> None:
        """As if never activated; the mail stays."""
        self.awake = False
        self.state: Any = None
        self.tail: Tail = EMPTY
        self.head: Head | None = None
        self.at = 0
        self.epoch = 0
        self.claimed = 0
        self.snapshot_version = 0
        """How far the newest snapshot goes, and how many of the bytes had been folded by then."""
        self.snapshot_bytes = 0
        self.bytes = 0
        """Of the log, that the state was folded from."""
        self.letters: Sequence[Any] = ()
        self.answers: list[tuple[Letter, Any, PerdureError | None]] = []

    def tell(self) -> None:
        """Keep what was promised to those who asked."""
        for letter, value, error in self.answers:
            letter.tail = self.tail
            if error is None:
                letter.keep(value)
            else:
                letter.breaks(error)
        self.answers = []
