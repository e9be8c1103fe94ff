"""Retaining: artifacts are kept for so long after the end of their run, then released by the run, and removed.

A look finds the runs that have ended long enough ago by what their heads say, and asks each; whoever is released records it, and
wants its contents removed until it has recorded that they are. So nothing is removed that is not released, whatever crashes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import anyio
from anyio.lowlevel import checkpoint

from ...eventlog.blobs import Named
from ...eventlog.errors import PerdureError, Unavailable
from ...eventlog.search import Condition, Search
from ..run.commands import Release
from ..run.events import ArtifactsRemoved
from ..run.heading import STORES
from ..settings.artifacts import ArtifactSettings
from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ...actors.dispatcher import Dispatcher
    from ...eventlog.log import Carrier
    from ...eventlog.records import Record

logger = logging.getLogger("perdure.runtime")

RUNS_AT_ONCE = 200
"""Runs that a look asks before it waits for their answers."""

REMOVALS_AT_ONCE = 4
RECORDS_BETWEEN_RESTS = 100
LONGEST_PAUSE = 60.0


class Retaining:
    """`remove` and `lose` may be called at any time; `serve` does the rest."""

    def __init__(self, carrier: Carrier, dispatcher: Dispatcher, settings: ArtifactSettings, *, doubted: Callable[[], bool]) -> None:
        self._carrier = carrier
        self._dispatcher = dispatcher
        self._settings = settings
        self._doubted = doubted
        """Whether the wall clock is: then nothing is released by it."""
        self._workers = Workers(self._remove, at_once=REMOVALS_AT_ONCE, longest_pause=LONGEST_PAUSE)
        self._removing: dict[str, int] = {}
        """By stream, the version of the release whose contents are removed here."""

    async def serve(self) -> None:
        """Look and remove until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._workers.serve)
            while self._settings.enabled:
                try:
                    await self.look()
                except PerdureError as away:
                    logger.warning("whose artifacts have been kept long enough cannot be seen: %s", away.message)
                await anyio.sleep(self._settings.interval_seconds)
            await anyio.sleep_forever()

    # -- releasing -----------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Ask every run of this node that ended long enough ago, and still keeps artifacts, to release them."""
        after = ""
        while not self._doubted():
            before = self._dispatcher.clock.now() - self._settings.keep_microseconds
            found = await self._carrier.heads.find(
                Search((Condition(STORES, "<=", before),), "run/"), after=after, limit=RUNS_AT_ONCE
            )
            release = Release(before, await self._carrier.blobs.mark() if found else 0)
            ours = [one.stream for one in found if self._dispatcher.ownership.epoch(one.stream) is not None]
            for stream in ours[:-1]:
                self._dispatcher.post(stream, release)
            if ours:
                await self._ask(ours[-1], release)
            if len(found) < RUNS_AT_ONCE:
                return
            after = found[-1].stream

    async def _ask(self, stream: str, command: Any) -> None:
        """The last of a page: once it has answered, all before it have had their turn."""
        try:
            await self._dispatcher.ask(stream, command)
        except PerdureError:
            return  # a broken stream must not keep the others from being found

    # -- removing ------------------------------------------------------------------------------------------------------

    def remove(self, stream: str, release: int) -> None:
        """Remove what was released at this version of the run, unless that is under way."""
        if self._removing.get(stream) != release:
            self._removing[stream] = release
            self._workers.want((stream, release))

    def lose(self, stream: str) -> None:
        """Another node speaks for the run from now on."""
        self._removing.pop(stream, None)

    async def _remove(self, wanted: tuple[str, int]) -> bool:
        """Whether it is done, or no longer for this node to do."""
        stream, release = wanted
        if self._removing.get(stream) != release:
            return True
        try:
            await self._remove_contents(stream, release)
        except PerdureError as away:
            logger.warning("released artifacts of %s are not removed yet: %s", stream, away.message)
            return False
        if self._removing.get(stream) == release:
            del self._removing[stream]
            self._dispatcher.post(stream, ArtifactsRemoved(release))
        return True

    async def _remove_contents(self, stream: str, release: int) -> None:
        """What else has the same content stays, and so does what was written since."""
        named, version = Named(), 0
        async with aclosing(cast("AsyncGenerator[Record]", self._carrier.log.read(stream))) as records:
            async for record in records:
                named.take(record.data)
                version = record.last
                if record.position % RECORDS_BETWEEN_RESTS == 0:
                    await checkpoint()
        if version < release:
            raise Unavailable("the log does not show the release yet", who=stream, expected=f"version {release}", found=str(version),
                              instead="it is read again")
        await self._carrier.blobs.remove(stream, named.released, named.mark)
