"""The pure half of a turn: what the letters of each actor lead to, as one append an actor.

Nothing here is durable yet, so nothing here lets anything out: answers are kept until the append is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..eventlog.blobs import Blob
from ..eventlog.errors import PerdureError
from ..eventlog.records import Append, Tail, seal
from .mailbox import Actor, Letter
from .ports import Ownership
from .shelf import NeedValue


class Judged:
    """What a turn has come to so far."""

    __slots__ = ("appends", "broken", "elsewhere", "needy", "outdated", "roomy", "writers")

    def __init__(self) -> None:
        self.appends: list[Append] = []
        self.writers: list[Actor] = []
        """Whose each append is, in the same order."""
        self.broken: list[tuple[Actor, Any, Exception]] = []
        """Actors whose kind's own code raised what it must not raise, over this letter (None: over what follows by itself)."""
        self.elsewhere: list[Actor] = []
        """Actors that cannot be judged here: their stream is broken, or another node owns it."""
        self.needy: list[tuple[Actor, Sequence[Blob]]] = []
        """Actors that cannot go on without these values, which have to be fetched."""
        self.outdated: list[Actor] = []
        """Actors that were lost and won again while a turn of theirs was under way: they are folded anew, whatever is in memory."""
        self.roomy: list[Actor] = []
        """Actors whose senders waited for room in the mailbox: there is room now."""


def judge(actors: Sequence[Actor], now: int, ownership: Ownership, judged: Judged) -> None:
    """Take each actor's mail, and decide it letter by letter, each on the state that the one before left.

    One piece, because every letter of every actor passes here.
    """
    epoch_of, owner, append, write = ownership.epoch, ownership.owner, judged.appends.append, judged.writers.append
    for actor in actors:
        letters = actor.letters = actor.mail
        actor.mail = []
        if actor.room is not None:
            judged.roomy.append(actor)
        stream, kind, at = actor.stream, actor.kind, max(now, actor.at)
        epoch = epoch_of(stream)
        if epoch is None or epoch < actor.epoch or actor.broken is not None:
            judged.elsewhere.append(actor)
            continue
        letter: Any = None
        events: list[Any] = []
        try:
            if actor.claimed != epoch and not _claim(actor, epoch, owner, at, events):
                judged.outdated.append(actor)
                continue
            for letter in letters:
                if type(letter) is Letter:
                    _answer(actor, letter, at, events)
                elif advanced := kind.advance(actor.state, letter, at):
                    events += advanced
                else:
                    _decide(actor, letter, at, events)
            if not events:
                continue
            old, tail = actor.head, actor.tail
            head = kind.head(actor.state, old)
            data, version = kind.codec.encode(at, epoch, events), tail.version
            last = version + len(events)
            actor.head, actor.at, actor.epoch = head, at, epoch
            ends = Tail(last, seal(stream, tail.digest, version + 1, last, data))
            append(Append(stream, tail, ends, data, None if head is old else head))
            write(actor)
        except NeedValue as need:
            judged.needy.append((actor, need.blobs))
        except Exception as error:
            judged.broken.append((actor, letter, error))


def _decide(actor: Actor, command: Any, now: int, events: list[Any]) -> None:
    """Decide a command that nobody waits for: if it is refused, nobody wants to know."""
    try:
        decided = actor.kind.decide(actor.state, command, now)
    except PerdureError:
        return
    if decided:
        _follow(actor, decided, now, events)


def _answer(actor: Actor, letter: Letter, now: int, events: list[Any]) -> None:
    """Decide a command whose sender waits; the answer is told once all of the turn is durable."""
    command = letter.command
    try:
        decided = actor.kind.decide(actor.state, command, now)
    except PerdureError as refusal:
        actor.answers.append((letter, None, refusal))
        return
    if decided:
        _follow(actor, decided, now, events)
    actor.answers.append((letter, actor.kind.answer(actor.state, command), None))


def _claim(actor: Actor, epoch: int, owner: str, now: int, events: list[Any]) -> bool:
    """First of all after an activation: say who has it now, and let follow what follows from the state itself. False: it is outdated."""
    if actor.claimed:
        return False
    actor.kind.ready(actor.state)
    actor.claimed = epoch
    takes_over = actor.tail.version and actor.epoch != epoch
    _follow(actor, actor.kind.claim(actor.state, owner, epoch) if takes_over else (), now, events)
    return True


def _follow(actor: Actor, decided: Sequence[Any], now: int, events: list[Any]) -> None:
    """Evolve by what was decided and by all that follows from it."""
    kind, state = actor.kind, actor.state
    evolve = kind.evolve
    while True:
        for event in decided:
            state = evolve(state, event, now)
        events.extend(decided)
        actor.state = state
        decided = kind.react(state, now)
        if not decided:
            return
