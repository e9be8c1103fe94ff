"""The dispatcher: gives turns to actors that have mail, and makes each turn durable with one group commit.

A turn: gather the ready actors, activate the cold ones, decide every letter, append all that was decided in one
write, and only then let anything out: replies, refusals, effects. Mail that arrives meanwhile is the next turn, so the
size of a commit follows the load by itself. Of an actor one append is under way at a time; a state that was driven past an
append that failed is thrown away whole and folded again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from ..eventlog.errors import Bug, PerdureError, Unavailable
from ..eventlog.log import Log, Snapshots
from . import losing, passivating, restarting, waking
from .backoff import backoff
from .deadlines import Deadlines, too_late
from .fetching import Fetching
from .judging import Judged, judge
from .kind import Kind
from .mailbox import Actor, Letter
from .ports import Bell, Clock, Ownership
from .settings import Settings
from .shelf import Shelf
from .storing import Shared, Storing

logger = logging.getLogger("perdure.actors")

SLICE = 256
"""Actors decided between two looks at the loop."""


def _plainly(function: Callable[..., None], *args: Any) -> None:
    function(*args)


class Dispatcher:
    """All actors of one node. `run` serves them until `drain`; `tell` and `ask` reach them by stream."""

    def __init__(
        self,
        log: Log,
        snapshots: Snapshots,
        kinds: Mapping[str, Kind[Any, Any, Any]],
        clock: Clock,
        ownership: Ownership,
        *,
        settings: Settings | None = None,
        pure: Callable[..., None] = _plainly,
        bell: Callable[[], Bell] = anyio.Event,
        shelf: Shelf | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.log = log
        self.snapshots = snapshots
        self.kinds = kinds
        self.clock = clock
        self.ownership = ownership
        self.settings = settings or Settings()
        self._bell = bell
        self._pure = pure
        """How the pure half of a turn is called: a runtime takes the event loop away meanwhile."""
        self.shelf = shelf or Shelf()
        self.fetching = Fetching(self.shelf, partial(waking.go_on, self))
        self.actors: dict[str, Actor] = {}
        self.turns = self.conflicts = self.passivated = self.held = self._waiting = 0
        """`held`: bytes of the log that the states in memory were folded from."""
        self.crowding = passivating.Crowding(self.settings.held_bytes_max)
        self.storing = Storing(self, shared)
        self.gate: Callable[[], Awaitable[object]] | None = None
        """What each turn has to pass first: a node that doubts whether it still owns anything stops there."""
        self.reading_is_dear = shared is not None and shared.reading_is_dear
        self.broke: Callable[[str, PerdureError], object] = waking.unheard
        """Hears of each stream that is found not to hold, and why."""
        self._ready: list[Actor] = []
        self._in_turn: Sequence[Actor] = ()
        self._wake: Bell | None = None
        self._deadlines = Deadlines()
        self._closed = self._busy = False

    # -- mail ----------------------------------------------------------------------------------------------------------

    def post(self, stream: str, command: Any) -> None:
        """Leave a command of our own (an outcome, a due timer), whose number what is in flight already bounds."""
        actor = self.actors.get(stream) or self._actor(stream)
        actor.mail.append(command)
        if not actor.queued:
            actor.queued = True
            self._ready.append(actor)
            if self._wake is not None and len(self._ready) >= self.storing.enough:
                self._wake.set()
                self._wake = None

    async def tell(self, stream: str, command: Any) -> None:
        self._open(stream)
        await self._room(stream)
        self.post(stream, command)

    async def ask(self, stream: str, command: Any, *, within: float | None = None) -> Any:
        return (await self.asked(stream, command, within=within)).value

    async def asked(self, stream: str, command: Any, *, within: float | None = None) -> Letter:
        """As `ask`: the letter, with its answer and how far the stream had come."""
        self._open(stream)
        letter, what = Letter(command, self._bell), type(command).__name__
        within = self.settings.ask_seconds if within is None else within
        self._waiting += 1
        try:
            if self._is_full(stream):
                with anyio.move_on_after(within) as scope:
                    await self._room(stream)
                if scope.cancelled_caught:
                    raise too_late(stream, what, within)
            self.post(stream, letter)
            self._deadlines.watch(letter, within, stream, what)
            await letter.wait()
        finally:
            self._waiting -= 1
        return letter

    def _open(self, stream: str) -> None:
        if self._closed:
            raise Unavailable("this node takes no more commands", who=stream, found="it is draining",
                              instead="ask again once a node serves the log")
        if self._waiting >= self.settings.asks_max:
            raise Unavailable("too many callers wait", who=stream, expected=f"at most {self.settings.asks_max}", found=str(self._waiting),
                              instead="send less at once, or try again a little later")

    def _is_full(self, stream: str) -> bool:
        actor = self.actors.get(stream)
        return actor is not None and len(actor.mail) >= self.settings.mail_max

    async def _room(self, stream: str) -> None:
        """Back-pressure: wait while the mailbox is full."""
        while self._is_full(stream):
            actor = self.actors[stream]
            actor.room = actor.room or anyio.Event()
            await actor.room.wait()

    def mail_of(self, stream: str) -> Sequence[Any]:
        """What lies in a mailbox and is not judged yet."""
        actor = self.actors.get(stream)
        return actor.mail if actor is not None else ()

    def busy(self) -> set[str]:
        """Streams that a turn is under way for, or that have mail which is not only questions."""
        queued = {actor.stream for actor in self._ready if any(type(mail) is not Letter for mail in actor.mail)}
        return queued.union(self.deciding())

    def deciding(self) -> list[str]:
        """Streams of the turns that are under way."""
        return [actor.stream for actor in self._in_turn if actor.in_turn]

    def lose(self, is_lost: Callable[[str], bool]) -> None:
        """Forget the actors of streams that another node owns by now, as ownership says, and end what is in flight for them."""
        losing.lose(self, is_lost)

    def is_awake(self, stream: str) -> bool:
        actor = self.actors.get(stream)
        return actor is not None and (actor.awake or actor.broken is not None)

    def peek(self, stream: str) -> Any:
        """The state of an actor in memory, durable or not yet: a hint, never an answer. None where it is not awake."""
        actor = self.actors.get(stream)
        return None if actor is None else actor.state

    def _actor(self, stream: str) -> Actor:
        name = stream.partition("/")[0]
        kind = self.kinds.get(name)
        if kind is None:
            raise Bug("no such kind of actor", who=stream, expected=f"one of {', '.join(sorted(self.kinds))}", found=name)
        actor = self.actors[stream] = Actor(stream, kind)
        return actor

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; who still waits for an answer then is told that none will come."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._deadlines.serve)
                group.start_soon(self.fetching.serve)
                await self._take_turns(group)
        finally:
            self._closed = True
            instead = "ask again with the same command id"
            self._deadlines.end(Unavailable("this node ended before it could answer", who=self.ownership.owner, instead=instead))

    async def _take_turns(self, group: TaskGroup) -> None:
        storing = self.storing
        while True:
            if len(self._ready) >= storing.enough:
                await _rest()
            else:
                self._wake = self._bell()
                await self._wake.wait()
            if self.gate is not None:
                await self.gate()
            await self._turn(group)
            if storing.failed_in_a_row:
                await anyio.sleep(backoff(storing.failed_in_a_row, first=0.01, longest=1.0))

    def close(self) -> None:
        """Take no more commands from outside."""
        self._closed = True

    async def drain(self) -> None:
        """Return once no actor has mail."""
        while self._ready or self._busy or self.storing.under_way or self.fetching.under_way:  # noqa: ASYNC110 - an event costs every turn
            await anyio.sleep(0.001)

    async def _turn(self, group: TaskGroup) -> None:
        turn, self._ready = self.storing.without_held(self._ready), []
        if not turn:
            return
        self._busy, self._in_turn = True, [*(actor for actor in self._in_turn if actor.in_turn), *turn]
        self.turns += 1
        cold: list[Actor] = []
        for actor in turn:
            actor.queued, actor.in_turn, actor.touched = False, True, self.turns
            if not (actor.awake or actor.broken or waking.opens(actor)):
                cold.append(actor)
        try:
            if cold:
                turn = await waking.wake(self, turn, cold, _rest)
        except Exception as error:
            self.storing.outcome_unknown(turn, error)
        else:
            await self.storing.commit(turn, self._decided, group)
        self.crowding.look(passivating.weight(self))
        self._busy = False

    async def _decided(self, turn: list[Actor]) -> Judged | None:
        """What the turn comes to; large values that its events name are durable. None where it could not be decided."""
        try:
            judged = await self._decide_all(turn)
            if judged.appends and self.shelf.unwritten:
                await self.shelf.write()
        except Exception as error:
            self.storing.outcome_unknown(turn, error)
            return None
        return judged

    async def _decide_all(self, turn: list[Actor]) -> Judged:
        """The pure half of the turn, in slices. Within one nobody is told anything, because there is no loop then that could."""
        judged, now, needy = Judged(), self.clock.now(), 0
        self.shelf.unwritten.clear()
        for start in range(0, len(turn), SLICE):
            self._pure(judge, turn[start : start + SLICE], now, self.ownership, judged)
            for actor in judged.roomy:
                self.make_room(actor)
            for actor in judged.elsewhere:
                losing.turn_away(self, actor)
            for actor in judged.outdated:
                self.again(actor)
                self.queue(actor)
            for actor, letter, error in judged.broken:
                restarting.broke(self, actor, letter, error)
            for actor, blobs in judged.needy[needy:]:
                waking.lacks_values(self, actor, blobs)
            judged.roomy, judged.elsewhere, judged.outdated, judged.broken, needy = [], [], [], [], len(judged.needy)
            if start + SLICE < len(turn):
                await _rest()
        for actor, _ in judged.needy:
            turn.remove(actor)
        return judged

    def make_room(self, actor: Actor) -> None:
        if actor.room is not None:
            actor.room.set()
            actor.room = None

    def again(self, actor: Actor) -> None:
        """Forget what could not be made durable, and judge the same letters again on what the log really says."""
        letters = actor.letters
        self.forget(actor)
        if letters:
            actor.mail[:0] = letters
            self.queue(actor)

    # -- forgetting ----------------------------------------------------------------------------------------------------

    def queue(self, actor: Actor) -> None:
        if not actor.queued:
            actor.queued = True
            self.ready((actor,))

    def ready(self, actors: Iterable[Actor]) -> None:
        """These have a turn to come; it begins, if what is under way has left room and it is worth it."""
        self._ready += actors
        if self._wake is not None and len(self._ready) >= self.storing.enough:
            self._wake.set()
            self._wake = None

    def forget(self, actor: Actor) -> None:
        """Let go of the actor's state; its mail stays."""
        if actor.awake:
            actor.kind.forget(actor.stream, actor.state)
        self.held -= actor.bytes
        actor.forget()

    def leave(self) -> None:
        """Forget every actor at once: this node serves no more."""
        for actor in self.actors.values():
            self.forget(actor)
        self.actors.clear()

    async def passivate(self, *, untouched_since: int | None = None) -> int:
        """Forget idle actors that had no turn after turn `untouched_since`, and more where too much is held; how many."""
        gone = await passivating.passivate(self, self.turns if untouched_since is None else untouched_since)
        self.passivated += gone
        return gone


async def _rest() -> None:
    """Let everybody else on the loop go on."""
    await checkpoint()
