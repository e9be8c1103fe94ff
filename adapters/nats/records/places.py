"""Where streams end in the JetStream stream of the log, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ....eventlog.records import EMPTY, Tail

PLACES_MAX = 100_000


class Place(Struct, frozen=True, gc=False):
    """The sequence of the message that made a tail."""

    tail: Tail
    sequence: int


class Places:
    """A bounded cache of places in two halves: once the younger one is full it is the older, and what was that is gone."""

    def __init__(self, limit: int = PLACES_MAX) -> None:
        self._half = limit // 2
        self._young: dict[str, Place] = {}
        self._old: dict[str, Place] = {}

    def keep(self, stream: str, tail: Tail, sequence: int) -> None:
        self.keep_all([(stream, Place(tail, sequence))])

    def keep_all(self, places: Iterable[tuple[str, Place]]) -> None:
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young.update(places)

    def sequence_of(self, stream: str, tail: Tail) -> int | None:
        """Where a stream ends that has this tail; 0 where it is to begin, None where that is not known."""
        place = self._young.get(stream) or self._old.get(stream)
        if place is not None and place.tail == tail:
            return place.sequence
        return 0 if tail == EMPTY else None

    def behind(self, stream: str, version: int) -> int:
        """A sequence of the log that is before all that the stream has behind a version; 0 where none is known."""
        place = self._young.get(stream) or self._old.get(stream)
        return place.sequence if place is not None and place.tail.version <= version else 0

    def forget(self) -> None:
        self._young.clear()
        self._old.clear()
