"""Losing: streams that another node owns are turned away here, and what is in memory of them is forgotten.

Also the other way round: what an older owner wrote at the last moment is met by its new one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ..eventlog.errors import Corrupt, Unavailable
from ..eventlog.records import EMPTY, Tail
from .mailbox import Actor, Letter

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

Newest: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Tail]]]
"""How far streams have come by now, whoever wrote to them."""


def turn_away(dispatcher: Dispatcher, actor: Actor) -> None:
    """The stream is broken, or another node owns it: nothing is decided here."""
    why = actor.broken or Unavailable("another node owns the stream", who=actor.stream, found=f"this is {dispatcher.ownership.owner}",
                                      instead="ask again: the request goes to its owner")
    for letter in actor.letters:
        if type(letter) is Letter:
            letter.breaks(why)
    dispatcher.forget(actor)
    actor.kind.lose(actor.stream)


def without_astray(dispatcher: Dispatcher, turn: Sequence[Actor], cold: Sequence[Actor]) -> tuple[list[Actor], list[Actor]]:
    """The turn, and those in it to be activated, without actors of streams that another node owns: for them nothing is read."""
    epoch_of = dispatcher.ownership.epoch
    for actor in cold:
        if epoch_of(actor.stream) is None:
            actor.letters, actor.mail, actor.in_turn = actor.mail, [], False
            dispatcher.make_room(actor)
            turn_away(dispatcher, actor)
    return [actor for actor in turn if actor.in_turn], [actor for actor in cold if actor.in_turn]


async def overtaken(newest: Newest, turn: Sequence[Actor], writers: Sequence[Actor], *, is_sure: bool) -> list[Actor]:
    """Actors whose answers are no longer true, because somebody else has written since they were activated.

    An older owner may, lawfully, as long as nothing of our epoch is in the stream; and a newer one of whom we do not know yet.
    What we append ourselves, as `writers` do, would meet either as a Conflict. So only answers are looked at that no append
    vouches for: all of them in the first case, or where this node is not sure that it still owns anything; and in the second those that
    say more than how things stand.
    """
    answering = [actor for actor in turn if actor.answers and (not is_sure or actor.epoch != actor.claimed or _says_more(actor))]
    writing = set(writers)
    unsure = {actor.stream: actor for actor in answering if actor not in writing}
    if not unsure:
        return []
    tails = await newest(list(unsure))
    return [actor for stream, actor in unsure.items() if tails.get(stream, EMPTY) != actor.tail]


def _says_more(actor: Actor) -> bool:
    looks = actor.kind.looks
    return not all(looks(letter.command) for letter, _, _ in actor.answers)


def lose(dispatcher: Dispatcher, is_lost: Callable[[str], bool]) -> None:
    """Forget all actors of streams that another node owns by now; one that is in a turn, or about to be, at its next."""
    for actor in [actor for actor in dispatcher.actors.values() if is_lost(actor.stream)]:
        if actor.in_turn or actor.queued:
            actor.broken = None
            dispatcher.queue(actor)
        else:
            turn_away(dispatcher, actor)
            del dispatcher.actors[actor.stream]


def look_anew(dispatcher: Dispatcher, stream: str) -> None:
    """Read a stream again that was found damaged: somebody has put there what it lacked."""
    actor = dispatcher.actors.get(stream)
    if actor is not None and isinstance(actor.broken, Corrupt) and not actor.in_turn:
        actor.broken = None
