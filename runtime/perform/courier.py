"""The courier: carries what one run has to say to another until it is answered, a bounded number at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from ...actors.shelf import Shelf, too_large
from ...eventlog.blobs import Blob
from ...eventlog.codec import Event
from ...eventlog.errors import Invalid, NotFound, PerdureError, Refused
from ...eventlog.streams import STREAM_BYTES_MAX
from ..authoring.errors import failure_of
from ..run import commands as cmd
from ..run import events as ev
from ..run.errands import Errand, end_in, ended_as, large_value_of
from ..run.notices import Deliver
from ..run.performing import Standing
from ..run.state import ENDED
from ..run.waiting import waiter_of
from .workers import Workers

AT_ONCE = 100
"""Errands that wait for their answers at the same time."""

LONGEST_PAUSE = 30.0

Ask = Callable[[str, Any], Awaitable[Standing]]


class Courier:
    """`send` an errand, and what was answered comes to the mailbox of its sender. Who does not answer is asked again, ever more slowly."""

    def __init__(self, ask: Ask, post: Callable[[str, Any], None], shelf: Shelf) -> None:
        self.ask = ask
        self._shelf = shelf
        self._post = post
        self._workers = Workers(self._carry, at_once=AT_ONCE, longest_pause=LONGEST_PAUSE)
        self._flying: dict[str, dict[str, Errand]] = {}
        self._landed: dict[str, anyio.Event] = {}
        """Rings when nothing of a stream is under way any more."""

    async def serve(self) -> None:
        """Carry until cancelled."""
        await self._workers.serve()

    def carries(self, errand: Errand) -> bool:
        """Whether one of that name is under way."""
        return errand.key in self._flying.get(errand.stream, ())

    def send(self, errand: Errand) -> None:
        self._flying.setdefault(errand.stream, {})[errand.key] = errand
        self._workers.want(errand)

    def lose(self, stream: str) -> None:
        """Another node speaks for the run from now on."""
        for errand in self._flying.pop(stream, {}).values():
            errand.lost = True
        self._ring(stream)

    async def quiet(self, stream: str) -> None:
        """Return once nothing that this run has to say is under way."""
        while stream in self._flying:
            await self._landed.setdefault(stream, anyio.Event()).wait()

    def _ring(self, stream: str) -> None:
        if (bell := self._landed.pop(stream, None)) is not None:
            bell.set()

    async def _carry(self, errand: Errand) -> bool:
        """Whether nobody is to ask again: it is answered, or lost."""
        if errand.lost:
            return True
        try:
            if len(errand.to) > STREAM_BYTES_MAX:
                raise Invalid("an id does not fit a stream name", who=errand.to, expected=f"at most {STREAM_BYTES_MAX} bytes",
                              found=f"{len(errand.to)} bytes", instead="choose a shorter id")
            await self._bring(large_value_of(errand), errand.stream, errand.to)
            answer: Event | None = answered(errand, await self.ask(errand.to, errand.command))
            if isinstance(answer, ev.ChildEnded):
                await self._bring(answer.blob, errand.to, errand.stream)
        except PerdureError as error:
            answer = refused(errand, error)
        if answer is None:
            return False
        if not errand.lost:
            flying = self._flying[errand.stream]
            del flying[errand.key]
            if not flying:
                del self._flying[errand.stream]
                self._ring(errand.stream)
        self._post(errand.stream, answer)
        return True

    async def _bring(self, blob: Blob | None, source: str, to: str) -> None:
        """Put a large value where the run that is to know it looks for it; one that was too large to be kept is refused."""
        if blob is None:
            return
        if not blob.stored:
            raise too_large(source, blob.size, self._shelf.value_bytes_max)
        await self._shelf.put(to, await self._shelf.get(source, blob), source)


def answered(errand: Errand, standing: Standing) -> Event:
    """What an answer means to the run that asked."""
    _, id, since = waiter_of(errand.key)
    match errand.command:
        case Deliver():
            return ev.EndAnnounced(end_in(errand.key))
        case ev.ChildEnded():
            return ev.Unwatched(errand.key)
        case cmd.Leave():
            return ev.ChildReleased(id, since)
        case cmd.Follow(by=by, word=word):
            return ev.ChildHeard(waiter_of(by).id, word)
        case _ if standing.status in ENDED:
            return ended_as(errand.key, standing.status, standing.result, standing.failure, standing.reason, standing.blob)
        case cmd.Start():
            return ev.ChildStarted(id, since)
        case cmd.Watch():
            return ev.Attached(id, since)


def refused(errand: Errand, error: PerdureError) -> Event | None:
    """What a refusal means to the run that asked; None where asking again may help."""
    if not isinstance(error, Refused | NotFound | Invalid) or isinstance(errand.command, Deliver):
        return None
    _, id, since = waiter_of(errand.key)
    match errand.command:
        case ev.ChildEnded():
            return ev.Unwatched(errand.key)
        case cmd.Leave():
            return ev.ChildReleased(id, since)
        case cmd.Follow(by=by, word=word):
            return ev.ChildHeard(waiter_of(by).id, word)
        case _:
            return ev.ChildEnded(id, "refused", error=failure_of(error), since=since)
