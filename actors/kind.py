"""A kind of actor: a decider, and what the dispatcher asks of it besides.

A decider is four pure functions: `initial`, `decide` (may it be?), `evolve` (it is so), `react` (what follows). Pure
means: the same input gives the same output, without I/O, clock or chance; `evolve` may consume the state it is
given, because a state that could not be made durable is thrown away whole. (The pattern: Jérémie Chassaing, "Functional
Event Sourcing Decider".)
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, ClassVar, Generic, TypeVar

from ..eventlog.codec import Codec, Event
from ..eventlog.records import Head
from .declared import BY_CODE, Snapshots, events_of, state_of

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Event)


class Kind(Generic[S, C, E]):
    """Subclass `Kind[State, Command, Event]`, give `name`, and write `initial`, `decide` and `evolve`; the rest has defaults.

    Commands and events may be unions. The codec is made from the events; a state that msgspec decodes by its type (a
    Struct, a dataclass, builtins) is kept in snapshots, which a change of the module's code makes void.
    """

    name: str
    """What the log calls the kind, for ever: letters, digits and `-`."""
    codec: Codec[E]
    state_version: int = BY_CODE
    """Where you write `freeze` yourself: give a number, and raise it when snapshots of older states must not be read any more."""
    snapshots: ClassVar[Snapshots | None] = None
    departures: ClassVar[tuple[type[Event], ...]] = ()
    """Events with which an actor leaves its log. Behind them another log may go on with its stream, and counts epochs of its own."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        events: Sequence[type[Any]] = events_of(cls, Kind)
        if events and not hasattr(cls, "codec"):
            codec: Codec[Any] = Codec(cls.__name__, *events)
            cls.codec = codec
        state = state_of(cls, Kind) or getattr(cls.snapshots, "state", None)
        own = any("freeze" in vars(base) for base in cls.__mro__[: cls.__mro__.index(Kind)])
        cls.snapshots = None if own else Snapshots.of(cls, state)

    def initial(self, stream: str, /) -> S:
        """The state of an actor to which nothing has happened."""
        raise TypeError(f"{type(self).__name__} must say what the initial state is: define 'initial'")

    def decide(self, state: S, command: C, now: int, /) -> Sequence[E]:
        """The events that grant the command (none: it changes nothing); raises Refused where it is illegal now."""
        raise TypeError(f"{type(self).__name__} must say what a command leads to: define 'decide'")

    def evolve(self, state: S, event: E, at: int, /) -> S:
        """The state after the event; may reuse the one it is given."""
        raise TypeError(f"{type(self).__name__} must say what an event changes: define 'evolve'")

    def react(self, state: S, now: int, /) -> Sequence[E]:
        """The events that follow from the state itself; asked again until there are none."""
        return ()

    def advance(self, state: S, command: C, now: int, /) -> Sequence[E]:
        """A short cut for the commonest command of a kind: what `decide`, `evolve` and `react` come to, in one piece and in place.

        Gives the events, which the state then knows already; or none, with nothing changed, where the long way must be gone.
        Asked only where nobody waits for an answer.
        """
        return ()

    def answer(self, state: S, command: C, /) -> Any:
        """What an `ask` returns once the command's events are durable."""
        return None

    def looks(self, command: C, /) -> bool:
        """Whether the command only asks how things stand. Where nodes share a log, such an answer may be a moment old.

        Every other answer that no append vouches for (a refusal, "it is so already") is given only once the log was seen to hold
        nothing newer.
        """
        return False

    def opens(self, command: C, /) -> bool:
        """Whether the command usually meets a stream that does not exist yet, so that reading it first is a waste."""
        return False

    def awaken(self, state: S, /) -> None:
        """The state was folded from a stream that exists; nothing is decided on it yet."""

    def ready(self, state: S, /) -> None:
        """Asked after an activation, before anything is decided: raises NeedValue, nothing changed, for what is to be fetched first."""

    def claim(self, state: S, owner: str, epoch: int, /) -> Sequence[E]:
        """The events that must be durable before a new owner performs anything for this actor."""
        return ()

    def head(self, state: S, old: Head | None, /) -> Head | None:
        """What the index should say of the actor: `old` itself where nothing changed."""
        return old

    def perform(self, stream: str, state: S, /) -> None:
        """Start the effects that the state, durable by now, wants and that are not in flight. Must not block."""

    def idle(self, state: S, /) -> bool:
        """Whether the actor may be forgotten until mail arrives."""
        return True

    def done(self, state: S, /) -> bool:
        """Whether nothing more is expected, so that the actor is forgotten at once."""
        return False

    def lose(self, stream: str, /) -> None:
        """Another node owns the actor now: stop what is in flight for it."""

    def forget(self, stream: str, state: S, /) -> None:
        """Release what lives beside the state."""

    def freeze(self, state: S, /) -> bytes | None:
        """The state as the bytes of a snapshot; None where the kind takes none."""
        return None if self.snapshots is None else self.snapshots.encode(state)

    def digest(self, state: S, /) -> str | None:
        """What tells two states apart: equal for the same facts, however they were come by. None where the kind keeps no states."""
        if self.snapshots is not None:
            return self.snapshots.digest(state)
        data = self.freeze(state)
        return None if data is None else sha256(data).hexdigest()

    def thaw(self, stream: str, data: bytes, /) -> S:
        """The state that `freeze` made the bytes from."""
        if self.snapshots is not None:
            state: S = self.snapshots.decode(data)
            return state
        raise TypeError(f"{type(self).__name__} takes snapshots: define 'thaw' beside 'freeze'")
