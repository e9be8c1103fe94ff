"""The codec: events to stored bytes and back, the same bytes on every machine.

Stored as JSON, so that a person with sqlite3, nats or jq can read it. Names of events and fields are for ever: an
event whose shape must change gets a new name, and the old name keeps a pure upcaster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from .errors import Invalid
from .guard import HARMLESS_BYTES, guard


class Event(Struct, frozen=True, tag=True, tag_field="type", omit_defaults=True, gc=False):
    """A fact, in the past tense. Subclasses are its kinds; the class name is its name in the log."""


E = TypeVar("E", bound=Event)
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class Batch(Struct, Generic[E], frozen=True, gc=False):
    """The content of a record: its events, when they were decided (microseconds since 1970), and by which epoch of ownership."""

    at: int
    epoch: int
    events: Sequence[E]


class Stored(Struct, frozen=True, gc=False):
    """A Batch whose events are still bytes."""

    at: int
    epoch: int
    events: list[Raw]


_decode_stored = msgspec.json.Decoder(Stored).decode


class Codec(Generic[E]):
    """Encodes and decodes the events of one kind of actor.

    `upcasters` maps an event name that the kind no longer has to a function from its old fields (`type` included) to
    those of today's event.
    """

    def __init__(self, name: str, *events: type[E], upcasters: Mapping[str, Upcaster] | None = None) -> None:
        self.name = name
        self.events = events
        self.upcasters = dict(upcasters or {})
        union: Any = events[0]
        for event in events[1:]:
            union = union | event
        self._encode = msgspec.json.Encoder().encode
        self._decode: Callable[[bytes], Batch[E]] = msgspec.json.Decoder(Batch[union]).decode

    def encode(self, at: int, epoch: int, events: Sequence[E]) -> bytes:
        return self._encode(Batch(at, epoch, events))

    def decode(self, data: bytes) -> Batch[E]:
        """The batch that `data` holds; an event that this build does not know is Invalid."""
        if len(data) > HARMLESS_BYTES:
            guard(data, self.name)
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, RecursionError) as error:
            return self._decode_old(data, error)

    def _decode_old(self, data: bytes, error: Exception) -> Batch[E]:
        """The slow way, for events of older releases: their fields through the upcasters, then typed."""
        try:
            if not self.upcasters:
                raise error
            old = _decode_stored(data)
            return self._decode(self._encode(Stored(old.at, old.epoch, [self._upcast(event) for event in old.events])))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as why:
            raise Invalid(
                "the log holds an event that this build cannot read",
                who=f"kind {self.name!r}",
                where=str(why).rpartition(" - at ")[2].strip("`") or "$",
                expected=f"one of {', '.join(sorted(event.__name__ for event in self.events))}",
                found=str(why),
                instead="use the release that wrote it, or a newer one; the log itself is untouched",
            ) from error

    def _upcast(self, stored: Raw) -> Raw:
        """An event with the fields of today; one that needs no upcaster stays as it was stored, byte for byte."""
        event, limit = msgspec.json.decode(stored, type=dict[str, Any]), len(self.upcasters) + 1
        if event["type"] not in self.upcasters:
            return stored
        while (upcaster := self.upcasters.get(event["type"])) and limit:
            event, limit = upcaster(dict(event)), limit - 1
        return Raw(self._encode(event))
