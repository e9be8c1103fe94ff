"""Waking: the cold actors of a turn are folded, and whoever watches is told of those whose stream does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..eventlog.blobs import Blob
from . import losing
from .activation import activate
from .mailbox import Actor, Letter

if TYPE_CHECKING:
    from .dispatcher import Dispatcher


def unheard(*_: object) -> None:
    """Nobody watches."""


async def wake(dispatcher: Dispatcher, turn: Sequence[Actor], cold: Sequence[Actor], rest: Callable[[], Any]) -> list[Actor]:
    """The turn, its cold actors folded, without those of streams that another node owns."""
    kept, ours = losing.without_astray(dispatcher, turn, cold)
    await activate(ours, dispatcher.log, dispatcher.snapshots, rest)
    dispatcher.held += sum(actor.bytes for actor in ours)
    for actor in ours:
        if actor.broken is not None:
            dispatcher.broke(actor.stream, actor.broken)
    return kept


def opens(actor: Actor) -> bool:
    """Activate an actor whose first mail begins a stream that nothing is known of; nothing need be read then. Whether that was so."""
    first = actor.mail[0] if actor.mail and not actor.exists else None
    begins = first is not None and actor.kind.opens(first.command if type(first) is Letter else first)
    if begins:
        actor.state, actor.awake = actor.kind.initial(actor.stream), True
    return begins


def lacks_values(dispatcher: Dispatcher, actor: Actor, blobs: Sequence[Blob]) -> None:
    """The letters are judged again once the values are at hand. A state that was driven on meanwhile is thrown away."""
    actor.mail[:0], actor.letters = actor.letters, ()
    if actor.claimed:
        actor.wanted = (*actor.wanted, *blobs)
        dispatcher.forget(actor)
    dispatcher.fetching.begin(actor, blobs)


def go_on(dispatcher: Dispatcher, actor: Actor) -> None:
    """The values that an actor waited for are at hand, or lost for good."""
    if actor.broken is not None:
        dispatcher.broke(actor.stream, actor.broken)
    dispatcher.queue(actor)


def wake_anew(dispatcher: Dispatcher, stream: str) -> None:
    """Have an actor in memory folded from its log again, whatever its state is taken to be, and go on from there."""
    actor = dispatcher.actors.get(stream)
    if actor is None or actor.in_turn:
        return
    actor.broken = None
    dispatcher.forget(actor)
    dispatcher.queue(actor)
