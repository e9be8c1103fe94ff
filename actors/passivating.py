"""Passivation: idle actors leave memory, those longest untouched first, by time and by how much is held in all.

Those that stay, because something of theirs is in flight, get a snapshot like those that go: whoever has them after a crash
reads it instead of a long log, or of one that lies far back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from ..eventlog.errors import Corrupt, Invalid
from ..eventlog.snapshots import Snapshot
from .activation import snapshot_of
from .mailbox import Actor

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

logger = logging.getLogger("perdure.actors")

ACTOR_BYTES = 16 * 1024
"""What a run that only waits costs in memory, about: its coroutine, its facts, its mailbox. Its log is a few hundred bytes."""

SNAPSHOTS_MAX, SNAPSHOTS_AT_ONCE = 2000, 50
"""Of actors that stay, in one look; and between two looks at the loop."""

EASE = 0.875
"""Where too much is held, this share of what may be is left, so that the next actor is not too much again."""


class Crowding:
    """Says when more is held than may be. After a look that could free too little it says so again only once a quarter more is held."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._next = limit
        self._waiting: anyio.Event | None = None

    def look(self, held: int) -> None:
        if held > self._next and self._waiting is not None:
            self._waiting.set()
            self._waiting = None

    def eased(self, held: int) -> None:
        """What could be forgotten has been."""
        self._next = max(self.limit, held + held // 4)

    async def wait(self) -> None:
        self._waiting = self._waiting or anyio.Event()
        await self._waiting.wait()


def weight(dispatcher: Dispatcher) -> int:
    """Bytes that the actors in memory count for, together."""
    return dispatcher.held + ACTOR_BYTES * len(dispatcher.actors)


async def passivate(dispatcher: Dispatcher, untouched_since: int) -> int:
    """Forget idle actors without a turn since then, and, while too much is held, the others that are idle; keep snapshots of long ones."""
    idle = sorted((actor for actor in dispatcher.actors.values() if _is_idle(actor)), key=_touched)
    limit, snapshots, gone = dispatcher.crowding.limit, list[Snapshot](), 0
    enough = limit * EASE if weight(dispatcher) > limit else limit
    for actor in idle:
        if _touched(actor) > untouched_since and weight(dispatcher) <= enough:
            break
        if actor.awake and (snapshot := snapshot_of(actor)) is not None:
            snapshots.append(snapshot)
        dispatcher.forget(actor)
        del dispatcher.actors[actor.stream]
        gone += 1
    dispatcher.crowding.eased(weight(dispatcher))
    await _save(dispatcher, snapshots)
    await _keep_up(dispatcher, untouched_since)
    return gone


async def _keep_up(dispatcher: Dispatcher, untouched_since: int) -> None:
    """Keep snapshots of those that are not idle: where their log is long, or dear to read by the time it is wanted."""
    grown = [actor for actor in dispatcher.actors.values() if actor.awake and actor.tail.version > actor.snapshot_version]
    busy = sorted((actor for actor in grown if not _is_idle(actor)), key=_touched)
    for start in range(0, min(len(busy), SNAPSHOTS_MAX), SNAPSHOTS_AT_ONCE):
        snapshots = list[Snapshot]()
        for actor in busy[start : start + SNAPSHOTS_AT_ONCE]:
            stands_still = dispatcher.reading_is_dear and actor.touched <= untouched_since
            if actor.awake and not actor.in_turn and (snapshot := snapshot_of(actor, always=stands_still)) is not None:
                snapshots.append(snapshot)
        await _save(dispatcher, snapshots)
        await checkpoint()


async def preserve(dispatcher: Dispatcher, is_wanted: Callable[[str], bool]) -> None:
    """Keep snapshots of long actors that are to be forgotten here and folded elsewhere."""
    resting = [actor for actor in dispatcher.actors.values() if actor.awake and not actor.in_turn and is_wanted(actor.stream)]
    await _save(dispatcher, [snapshot for actor in resting if (snapshot := snapshot_of(actor)) is not None])


async def _save(dispatcher: Dispatcher, snapshots: Sequence[Snapshot]) -> None:
    try:
        if snapshots:
            await dispatcher.snapshots.save(snapshots)
    except Exception as away:  # a snapshot is a cache: without it the next activation folds more
        logger.warning("%d snapshots could not be kept: %r", len(snapshots), away)


def _touched(actor: Actor) -> int:
    """One whose stream does not hold is as one long untouched: it is read again when mail comes, since it may hold by then."""
    return 0 if isinstance(actor.broken, Corrupt | Invalid) else actor.touched


def _is_idle(actor: Actor) -> bool:
    if actor.queued or actor.in_turn or actor.mail or actor.room:
        return False
    return actor.broken is not None or not actor.awake or actor.kind.idle(actor.state)
