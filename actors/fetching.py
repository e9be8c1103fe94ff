"""Fetching: an actor whose code must be given a large value waits for it beside the turns; nobody else does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
import anyio.abc

from ..eventlog.blobs import Blob
from ..eventlog.errors import Bug, Corrupt, PerdureError, Unavailable
from .backoff import backoff
from .mailbox import Actor, Letter
from .shelf import Shelf

logger = logging.getLogger("perdure.actors")

FETCHES_AT_ONCE = 4
LONGEST_PAUSE = 5.0


class Fetching:
    """Fetches for actors, a few at once. `go_on` is told when an actor's values are at hand, or lost for good."""

    def __init__(self, shelf: Shelf, go_on: Callable[[Actor], None]) -> None:
        self.shelf = shelf
        self._go_on = go_on
        self.under_way = 0
        """Actors that wait and whose fetch has not failed yet."""
        self._group: anyio.abc.TaskGroup | None = None
        self._places = anyio.Semaphore(FETCHES_AT_ONCE)

    async def serve(self) -> None:
        """Fetch until cancelled."""
        async with anyio.create_task_group() as self._group:
            await anyio.sleep_forever()

    def begin(self, actor: Actor, blobs: Sequence[Blob]) -> None:
        """Fetch these, and what the actor needed before; its mail waits."""
        if self._group is None:
            raise Bug("an actor needs a value where nothing serves", who=actor.stream)
        actor.queued, actor.in_turn = True, False
        self.under_way += 1
        self._group.start_soon(self._fetch, actor, tuple(dict.fromkeys([*actor.wanted, *blobs])))

    def taken(self, turn: Sequence[Actor]) -> None:
        """These actors have gone on: what was fetched for them is no longer needed."""
        for actor in turn:
            self.shelf.take_back(actor.stream)
            actor.wanted = ()

    async def _fetch(self, actor: Actor, blobs: Sequence[Blob]) -> None:
        failures = 0
        while True:
            try:
                async with self._places:
                    await self.shelf.lend(actor.stream, blobs)
            except Corrupt as damage:
                actor.broken = damage
            except Exception as error:
                self._tell_away(actor, error, failures)
                failures += 1
                await anyio.sleep(backoff(failures, first=0.05, longest=LONGEST_PAUSE))
                continue
            self.under_way -= not failures
            actor.queued = False
            self._go_on(actor)
            return

    def _tell_away(self, actor: Actor, error: Exception, failures: int) -> None:
        """Who asked learns that nothing can be said now; the actor's other mail waits on."""
        self.under_way -= not failures
        logger.warning("a large value of %s cannot be fetched: %r", actor.stream, error)
        away = error if isinstance(error, PerdureError) else Unavailable(
            "a large value cannot be fetched", who=actor.stream, found=repr(error), instead="ask again with the same command id")
        for letter in actor.mail:
            if type(letter) is Letter:
                letter.breaks(away)
        actor.mail = [letter for letter in actor.mail if type(letter) is not Letter]
