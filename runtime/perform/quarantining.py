"""Quarantining: what this node finds out about streams that do not hold is told to their quarantine actors, and looked into again.

Nothing here is in the way of a turn: news wait here, one of a sort for each stream, until the actor, on whatever node, has them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ...actors.auditing import RECORDS_BETWEEN_RESTS, Difference, Refold, reading
from ...actors.backoff import backoff
from ...actors.dispatcher import Dispatcher
from ...actors.waking import wake_anew
from ...eventlog.blobs import Blob, content_of
from ...eventlog.errors import Corrupt, Invalid, PerdureError, Unavailable
from ...eventlog.log import Carrier
from ..kinds.quarantine import NAME, Differed, Fact, Lifted, Quarantined, quarantine_of

logger = logging.getLogger("perdure.runtime")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0


class Quarantining:
    """`broke`, `differs` and `look` may be called at any time; `serve` does the rest."""

    def __init__(self, carrier: Carrier, ask: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._carrier = carrier
        self._ask = ask
        self._dispatcher: Dispatcher | None = None
        self._news: dict[tuple[str, type], Fact] = {}
        self._looks: dict[str, None] = {}
        """Streams to be looked into, in the order in which that was asked for."""
        self._more = anyio.Event()

    def watch(self, dispatcher: Dispatcher) -> None:
        """Hear from now on what it finds, and have it fold again what is let out."""
        self._dispatcher, dispatcher.broke = dispatcher, self.broke

    def broke(self, stream: str, why: PerdureError) -> None:
        """A stream was found not to hold."""
        if not isinstance(why, Corrupt | Invalid):
            return
        logger.error("%s is quarantined: %s", stream, why)
        if not stream.startswith(f"{NAME}/"):
            self._tell(Quarantined(stream, why.code, why.message, why.where, why.expected, why.found))

    def differs(self, found: Difference) -> None:
        """What was kept of a stream was not what its log gives, and was thrown away."""
        logger.error("the state of %s in %s is not what its log gives at version %d (%s instead of %s): it is folded from the log again",
                     found.stream, found.what, found.version, found.kept, found.folded)
        if not found.stream.startswith(f"{NAME}/"):
            self._tell(Differed(found.stream, found.what, found.version, found.kept, found.folded))

    def look(self, stream: str) -> None:
        """Let a stream that is quarantined out, if all of it holds."""
        self._looks[stream] = None
        self._more.set()

    async def serve(self) -> None:
        """Tell and look until cancelled."""
        failures = 0
        while True:
            while self._news or self._looks:
                try:
                    await (self._tell_next() if self._news else self._look_next())
                    failures = 0
                except PerdureError as away:
                    failures += 1
                    level = logging.WARNING if failures == 1 else logging.DEBUG
                    logger.log(level, "what is found out about a stream cannot be told, or looked for, now; again later: %r", away)
                    await anyio.sleep(backoff(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE))
            self._more = anyio.Event()
            await self._more.wait()

    def _tell(self, fact: Fact) -> None:
        self._news[fact.stream, type(fact)] = fact
        self._more.set()

    async def _tell_next(self) -> None:
        key, fact = next(iter(self._news.items()))
        await self._ask(quarantine_of(fact.stream), fact)
        if self._news.get(key) == fact:
            del self._news[key]

    async def _look_next(self) -> None:
        stream = next(iter(self._looks))
        del self._looks[stream]
        dispatcher, kind = self._dispatcher, stream.partition("/")[0]
        if dispatcher is None or kind not in dispatcher.kinds:
            return
        try:
            if await self._holds(Refold(dispatcher.kinds[kind], stream)):
                logger.warning("%s holds again, and is quarantined no more", stream)
                await self._ask(quarantine_of(stream), Lifted(stream))
                wake_anew(dispatcher, stream)
        except Unavailable:
            self._looks.setdefault(stream)  # behind the others
            raise

    async def _holds(self, fold: Refold) -> bool:
        """Whether every record of a stream, and every large value that they name, is what was written."""
        try:
            async with reading(self._carrier.log, fold.stream) as records:
                async for record in records:
                    for event in fold.take(record):
                        blob: Blob | None = getattr(event, "blob", None)
                        if blob is not None and blob.stored:
                            await content_of(self._carrier.blobs, fold.stream, blob)
                    if fold.records % RECORDS_BETWEEN_RESTS == 0:
                        await checkpoint()
        except (Corrupt, Invalid):
            return False
        return fold.records > 0
