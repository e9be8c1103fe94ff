"""The pure half of a turn: what the letters of one actor lead to, as one append.

Nothing here is durable yet, so nothing here lets anything out: answers are kept until the append is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..eventlog.errors import PerdureError
from ..eventlog.records import Append, sealed
from .mailbox import Actor, Letter


class Broke(Exception):
    """A kind's own code raised what it must not raise, over this letter (None: over what follows by itself)."""

    def __init__(self, letter: Any, error: Exception) -> None:
        super().__init__(repr(error))
        self.letter = letter
        self.error = error


def judge(actor: Actor, now: int, epoch: int, owner: str) -> Append | None:
    """Decide the actor's letters one after another, each on the state that the one before left; None where nothing happens."""
    kind, decide = actor.kind, actor.kind.decide
    events: list[Any] = []
    letter: Any = None
    try:
        if actor.claimed != epoch:
            _claim(actor, epoch, owner, now, events)
        for letter in actor.letters:
            asked = type(letter) is Letter
            command = letter.command if asked else letter
            try:
                decided = decide(actor.state, command, now)
            except PerdureError as refusal:
                if asked:
                    actor.answers.append((letter.promise, None, refusal))
                continue
            if decided:
                _follow(actor, decided, now, events)
            if asked:
                actor.answers.append((letter.promise, kind.answer(actor.state, command), None))
        return _sealed(actor, now, epoch, events) if events else None
    except Exception as error:
        raise Broke(letter, error) from error


def _claim(actor: Actor, epoch: int, owner: str, now: int, events: list[Any]) -> None:
    """First of all after an activation: say who has it now, and let follow what follows from the state itself."""
    actor.claimed = epoch
    takes_over = actor.tail.version and actor.epoch != epoch
    _follow(actor, actor.kind.claim(actor.state, owner, epoch) if takes_over else (), now, events)


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


def _sealed(actor: Actor, now: int, epoch: int, events: list[Any]) -> Append:
    head = actor.kind.head(actor.state, actor.head)
    data = actor.kind.codec.encode(now, epoch, events)
    changed = None if head is actor.head else head
    actor.head, actor.at, actor.epoch = head, now, epoch
    return sealed(actor.stream, actor.tail, data, len(events), changed)
