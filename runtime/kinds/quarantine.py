"""Quarantine: the kind of actor that knows of one other stream that its log, or what is kept beside it, cannot be trusted.

The stream itself stays untouched, since nothing may be written behind what does not hold. So what was found of it stands here, one
actor for each such stream, until all of it was seen to hold again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from ...actors.kind import Kind
from ...eventlog.codec import Event
from ...eventlog.records import Head
from ...eventlog.streams import STREAM_BYTES_MAX, escape, parts_of, shortened, stream_of
from ..run.commands import Wake

NAME = "quarantine"
QUARANTINED = "quarantined"

class Quarantined(Event, frozen=True):
    """The stream does not hold. The parts are those of the error."""

    stream: str
    code: str
    message: str
    where: str = ""
    expected: str = ""
    found: str = ""


class Lifted(Event, frozen=True):
    """All of the stream holds, from its beginning to its end."""

    stream: str


class Differed(Event, frozen=True):
    """What was kept of the stream beside its log was not what the log gives, and was thrown away; the digests of both states."""

    stream: str
    what: str
    """snapshot or memory."""
    version: int
    kept: str
    folded: str


Fact: TypeAlias = Quarantined | Lifted | Differed
"""What is found out is told as the fact that it becomes, if it is news."""


class State(Struct):
    """What is known of a stream."""

    stream: str = ""
    broken: Quarantined | None = None
    differed: Differed | None = None
    since: int = 0
    at: int = 0


class Quarantine(Kind[State, Quarantined | Lifted | Differed | Wake, Fact]):
    """`look` is asked, now and then, whether a stream that is quarantined holds again."""

    name = NAME

    def __init__(self, look: Callable[[str], None]) -> None:
        self._look = look

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Fact | Wake, now: int) -> Sequence[Fact]:
        match command:
            case Quarantined() if command != state.broken:
                return (command,)
            case Lifted() if state.broken is not None:
                return (command,)
            case Differed() if command != state.differed:
                return (command,)
            case _:
                return ()

    def evolve(self, state: State, event: Fact, at: int) -> State:
        state.stream, state.since, state.at = event.stream, state.since or at, at
        match event:
            case Quarantined():
                state.broken = event
            case Lifted():
                state.broken = None
            case Differed():
                state.differed = event
        return state

    def head(self, state: State, old: Head | None) -> Head | None:
        status = "trusted" if state.broken is None else QUARANTINED
        wake_at = None if state.broken is None else state.at  # due already: each sweep, the first among them, has it looked into
        if old is not None and (old.status, old.wake_at) == (status, wake_at):
            return old
        about = {"stream": state.stream} if state.broken is None else {"stream": state.stream, "why": state.broken.message}
        return Head(status, wake_at, parts_of(state.stream)[0], state.since, state.at, msgspec.json.encode(about))

    def perform(self, stream: str, state: State) -> None:
        if state.broken is not None:
            self._look(state.stream)


def quarantined_by(head: Head) -> str:
    """The stream that the actor of a head knows of."""
    stream: str = msgspec.json.decode(head.attributes)["stream"]
    return stream


def quarantine_of(stream: str) -> str:
    """The stream of the actor that knows of this one."""
    kind, tenant, id = parts_of(stream)
    room = STREAM_BYTES_MAX - len(f"{NAME}/{escape(tenant)}/")
    return stream_of(NAME, tenant, shortened(f"{kind}/{id}", room))
