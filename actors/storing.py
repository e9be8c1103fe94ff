"""Storing: what a turn has decided is appended, and only then let out.

Where the log takes its time beside ours, as one on another machine does, a large turn is stored in pieces, each let out by itself, and
the next turn begins meanwhile, once it is worth a piece. So neither waits for the other; and where little happens, what comes while
a commit is under way still makes one turn. Of an actor one append is under way at a time: mail that comes during it waits.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from anyio.abc import TaskGroup
from msgspec import Struct

from ..eventlog.errors import Conflict, Unavailable
from ..eventlog.records import Tail
from . import losing, restarting
from .judging import Judged
from .mailbox import Actor, Letter

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

logger = logging.getLogger("perdure.actors")

UNDER_WAY_MAX = 8
"""Pieces that are being stored when no further turn begins."""

FEW = 16
"""Fewer actors than that are soon stored: where nothing else is, their turn needs no task beside that of the turns."""

NEVER_ENOUGH = 1 << 62
"""More actors than will ever be ready."""


def _sure() -> bool:
    return True


def _unheard(_: str) -> None:
    """Nobody need know."""


class Shared(Struct, frozen=True):
    """A log that other nodes serve, too, on a machine of its own."""

    newest: losing.Newest
    """How far streams have come by now: another node may write to a stream of ours until we do."""
    piece: int = 0
    """So many actors are worth an append of their own. 0: a turn is stored whole, and nothing begins before it is."""
    reading_is_dear: bool = False
    """What lies far back takes long to read: an actor that stands still for a while has a snapshot."""
    is_sure: Callable[[], bool] = _sure
    """Whether this node can know at present that what it owns is still its own."""
    made_up: Callable[[str], object] = _unheard
    """Hears of a stream of ours that is to begin under a name made up here and now: nobody need be asked whether it once was."""


class Storing:
    """The second half of every turn of a dispatcher."""

    def __init__(self, dispatcher: Dispatcher, shared: Shared | None = None) -> None:
        self._dispatcher = dispatcher
        self.piece = 0 if shared is None else shared.piece
        self.newest = None if shared is None else shared.newest
        self.is_sure = _sure if shared is None else shared.is_sure
        self.made_up = _unheard if shared is None else shared.made_up
        self.enough = 1
        """Ready actors that a turn may begin with."""
        self.under_way = 0
        self.failed_in_a_row = 0
        self._held: set[Actor] = set()
        """Ready actors that are being stored."""

    def without_held(self, ready: Sequence[Actor]) -> list[Actor]:
        """Each once, without those that are being stored: their mail is for a turn behind that."""
        turn = dict.fromkeys(ready)
        if self.under_way:
            self._held.update(actor for actor in turn if actor.in_turn)
            return [actor for actor in turn if not actor.in_turn]
        return list(turn)

    async def commit(self, turn: list[Actor], decide: Callable[[list[Actor]], Awaitable[Judged | None]], group: TaskGroup) -> None:
        """Decide the turn and store it; returns when it may be followed by another."""
        if not turn:
            return
        if not self.piece or (len(turn) < min(FEW, self.piece) and not self.under_way):
            await self._store(turn, await decide(turn))
            return
        size = -(-len(turn) // max(1, len(turn) // self.piece))
        for start in range(0, len(turn), size):
            piece = turn[start : start + size]
            judged = await decide(piece)
            self._count(1)
            group.start_soon(self._store_beside, piece, judged)

    async def _store_beside(self, piece: Sequence[Actor], judged: Judged | None) -> None:
        try:
            await self._store(piece, judged)
        finally:
            self._count(-1)
            self._give_back(piece)

    def _count(self, more: int) -> None:
        self.under_way += more
        self.enough = 1 if not self.under_way else self.piece if self.under_way < UNDER_WAY_MAX else NEVER_ENOUGH

    def _give_back(self, piece: Sequence[Actor]) -> None:
        """Those of it that got mail meanwhile are ready now."""
        back = [actor for actor in piece if actor in self._held] if self._held else []
        self._held.difference_update(back)
        self._dispatcher.ready(back)

    async def _store(self, turn: Sequence[Actor], judged: Judged | None) -> None:
        """Append what was decided; then let out what it led to."""
        dispatcher = self._dispatcher
        if judged is None:
            return
        try:
            overtaken: Sequence[Actor] = ()
            if self.newest is not None:
                overtaken = await losing.overtaken(self.newest, turn, judged.writers, is_sure=self.is_sure())
            answers: Sequence[Tail | Conflict] = await dispatcher.log.append(judged.appends) if judged.appends else ()
        except Exception as error:
            self.outcome_unknown(turn, error)
            return
        self.failed_in_a_row = 0
        for actor in overtaken:
            self._came_too_late(actor)
        stored = 0
        for actor, append, answer in zip(judged.writers, judged.appends, answers, strict=True):
            if isinstance(answer, Conflict):
                self._came_too_late(actor)
            else:
                size = len(append.data)
                actor.tail = answer
                actor.bytes += size
                stored += size
        dispatcher.held += stored
        self._let_out(turn)
        if dispatcher.shelf.lent:
            dispatcher.fetching.taken(turn)

    def _came_too_late(self, actor: Actor) -> None:
        """Somebody else wrote to the stream first."""
        self._dispatcher.conflicts += 1
        actor.exists = True
        self._dispatcher.again(actor)

    def _let_out(self, turn: Sequence[Actor]) -> None:
        """What the turn decided is durable, or was nothing: answers go out, and effects begin."""
        dispatcher = self._dispatcher
        for actor in turn:
            actor.in_turn = False
            if not actor.awake:
                continue
            actor.letters, kind = (), actor.kind
            if actor.answers:
                actor.tell()
            try:
                kind.perform(actor.stream, actor.state)
            except Exception as error:
                restarting.broke(dispatcher, actor, None, error)
                continue
            if kind.done(actor.state) and not (actor.mail or actor.queued or actor.room):
                dispatcher.forget(actor)
                del dispatcher.actors[actor.stream]

    def outcome_unknown(self, turn: Sequence[Actor], error: Exception) -> None:
        """The append may or may not have happened: who asked is told so; the rest is judged again, and is known by its ids."""
        dispatcher = self._dispatcher
        unknown = error if isinstance(error, Unavailable) else Unavailable(
            "the log did not answer", who=type(dispatcher.log).__name__, found=repr(error), instead="ask again with the same command id")
        logger.warning("a turn of %d actors failed: %r", len(turn), error)
        self.failed_in_a_row += 1
        for actor in turn:
            letters = actor.letters
            dispatcher.forget(actor)
            actor.in_turn, actor.exists = False, True
            actor.mail[:0] = [letter for letter in letters if type(letter) is not Letter]
            for letter in letters:
                if type(letter) is Letter:
                    letter.breaks(unknown)
            dispatcher.queue(actor)  # without mail, too: what did happen has to be performed and told
