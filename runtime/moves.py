"""Moves as logs know them: the identity of a log, and what each of the two logs of a move has to say of it.

Each is a stream of one record, begun by compare-and-append: whoever is first is right, and everybody else reads what was said.
So no two logs can both hold a run that lives: `taken_or_refused`, in the log that the run is to go to, is said once, and nothing
goes on there before it is "taken", nor where it was before it is "refused".
"""

from __future__ import annotations

from typing import TypeVar

from ..eventlog.codec import Codec, Event
from ..eventlog.errors import Corrupt, Refused
from ..eventlog.log import Log
from ..eventlog.records import EMPTY, Tail, sealed, verified
from ..eventlog.streams import stream_of
from .requests import MoveRunIn

IDENTITY = stream_of("log", "default", "identity")

WORD = "here"
"""What the stream of a move ends in, where it says what this log says of it as the one that runs go to."""

E = TypeVar("E", bound=Event)


class Named(Event, frozen=True):
    """The identity of this log, for ever: 32 hexadecimal digits. Its copies have the same."""

    id: str


class MoveBegun(Event, frozen=True):
    """These runs are to go to the log of the identity `to`."""

    to: str
    runs: list[str]


class MoveTaken(Event, frozen=True):
    """The runs of the move, from the log `source`, go on here."""

    source: str


class MoveRefused(Event, frozen=True):
    """The runs of the move will never go on here: they go on where they were."""

    source: str


NAMES: Codec[Named] = Codec("log", Named)
BEGINNINGS: Codec[MoveBegun] = Codec("move", MoveBegun)
WORDS: Codec[MoveTaken | MoveRefused] = Codec("move", MoveTaken, MoveRefused)


async def first(log: Log, stream: str, codec: Codec[E]) -> E | None:
    """What a stream of one record says; None where it has none."""
    records = [record async for record in log.read(stream)]
    for record in verified(stream, EMPTY, records):
        return codec.decode(record.data).events[0]
    return None


async def said(log: Log, stream: str, codec: Codec[E], event: E, now: int) -> E:
    """What a stream says, once and for all: this, unless something was said before."""
    known = await first(log, stream, codec)
    if known is not None:
        return known
    (answer,) = await log.append([sealed(stream, EMPTY, codec.encode(now, 0, [event]), 1)])
    if isinstance(answer, Tail):
        return event
    known = await first(log, stream, codec)
    if known is None:
        raise Corrupt("a stream is begun and holds nothing", who=stream, expected="one record", found="none",
                      instead="compare with a backup; 'perdure log verify' shows how far the damage goes")
    return known


async def identity(log: Log, id: str, now: int) -> str:
    """The identity of a log; `id` becomes it where it has none."""
    return (await said(log, IDENTITY, NAMES, Named(id), now)).id


async def begun(log: Log, tenant: str, move: str) -> MoveBegun | None:
    """What the log that runs leave says of their move."""
    return await first(log, stream_of("move", tenant, move), BEGINNINGS)


async def begin(log: Log, tenant: str, move: str, event: MoveBegun, now: int) -> MoveBegun:
    """Note down that runs are to leave; what was noted down first."""
    return await said(log, stream_of("move", tenant, move), BEGINNINGS, event, now)


async def taken_or_refused(
    log: Log, tenant: str, move: str, wish: MoveTaken | MoveRefused, now: int
) -> MoveTaken | MoveRefused:
    """The word of the log that runs are to go to: the wish, unless the other was said first."""
    return await said(log, stream_of("move", tenant, f"{move}-{WORD}"), WORDS, wish, now)


async def word(log: Log, tenant: str, move: str) -> MoveTaken | MoveRefused | None:
    """What this log, as the one that runs are to go to, has said of their move."""
    return await first(log, stream_of("move", tenant, f"{move}-{WORD}"), WORDS)


async def must_be_taken(log: Log, asked: MoveRunIn) -> None:
    """Refused unless this log has said that it takes the move: nothing else may let a run go on here."""
    known = await word(log, asked.tenant, asked.move)
    if not isinstance(known, MoveTaken) or known.source != asked.source:
        raise Refused("this log has not taken the move", who=f"run {asked.run!r}", where="move in", expected=f"move {asked.move}, taken",
                      found="nothing is known of it" if known is None else f"{type(known).__name__}, source {known.source}",
                      instead="import the file of the move: perdure log import FILE")
