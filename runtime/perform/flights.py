"""Flights: the attempts of a node that wait or run, and how they land, are cancelled, taken back and lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from ..authoring.effects import StepCall
from . import attending
from .job import Job


class Flights(ABC):
    """What a pool has in flight, by stream and by the id of the step."""

    def __init__(self) -> None:
        self.stopping = False
        self._queue: deque[Job] = deque()
        self._flying: dict[tuple[str, str], Job] = {}
        self._quiet: anyio.Event | None = None

    @property
    def flying(self) -> int:
        return len(self._flying)

    def has(self, stream: str, id: str) -> bool:
        """Whether an attempt of the step waits or runs."""
        return (stream, id) in self._flying

    def streams(self) -> set[str]:
        """The streams for which something is in flight whose end is news to them."""
        return {job.stream for job in self._flying.values() if not job.lost}

    def busy(self) -> set[str]:
        """Those of them for which it is in flight here: what is left to a task queue goes on without this node."""
        return {job.stream for job in self._flying.values() if not job.lost and not attending.is_away(job)}

    async def drain(self) -> None:
        """Begin nothing more, and return once what runs has ended."""
        self.stopping = True
        for job in (*self._queue, *filter(attending.waits_elsewhere, self._flying.values())):
            self._land(job)
        self._queue.clear()
        while self._flying:
            self._quiet = anyio.Event()
            await self._quiet.wait()

    async def quiet(self, stream: str) -> None:
        """Return once nothing of the stream is in flight here."""
        while any(job.stream == stream for job in self._flying.values()):  # noqa: ASYNC110 - asked for seldom, and an event would cost every step
            await anyio.sleep(0.01)

    def cancel(self, stream: str, id: str) -> None:
        job = self._flying.get((stream, id))
        if job is None:
            return
        job.unwanted, job.again = True, None
        if job.scope is not None:
            job.scope.cancel()
        elif attending.waits_elsewhere(job):
            if not job.lost:
                attending.withdraw(job, stop=True)
            self._land(job)

    def landed(self, stream: str, id: str, attempt: int) -> None:
        """An attempt has ended elsewhere, and its run knows how."""
        job = self._flying.get((stream, id))
        if job is not None and job.attempt == attempt and attending.waits_elsewhere(job):
            self._land(job, told=True)

    def hold(self, stream: str, ids: Iterable[str]) -> dict[str, StepCall[Any]]:
        """Take back what has not begun yet; the calls, by the ids of their steps."""
        held: dict[str, StepCall[Any]] = {}
        for job in filter(None, [self._flying.get((stream, id)) for id in ids]):
            if job.scope is None and not job.unwanted and not attending.runs_away(job):
                held[job.id] = job.call
                if not attending.waits_elsewhere(job):
                    self._queue.remove(job)
                attending.withdraw(job, stop=False)
                self._land(job)
            elif attending.is_asking(job):
                held[job.id] = job.call
                job.lost = True
                self.cancel(stream, job.id)
        return held

    def take_back(self, leaves: Callable[[str], bool]) -> None:
        """Begin nothing of these streams that has not begun yet: another node is to do it. What lies in a task queue stays there."""
        unbegun = [job for job in self._flying.values() if job.scope is None and leaves(job.stream) and not attending.is_away(job)]
        queued = [job for job in self._queue if not leaves(job.stream)]
        self._queue.clear()
        self._queue.extend(queued)
        for job in unbegun:
            job.again = None
            self._land(job)

    def lose(self, stream: str) -> None:
        """Another node performs the steps of the stream from now on: end what is in flight here, and tell nobody."""
        for job in [job for job in self._flying.values() if job.stream == stream]:
            job.lost = True
            self.cancel(stream, job.id)

    def _land(self, job: Job, *, told: bool = False) -> None:
        """The attempt is over. `told`: its run hears how, so that only a later one is still to be begun in its place."""
        key = (job.stream, job.id)
        del self._flying[key]
        attending.let_go(job)
        again = None if told and job.again is not None and job.again.attempt == job.attempt else job.again
        if again is not None and not self.stopping:
            self._flying[key] = again
            self._wait(again)
        if self._quiet is not None and not self._flying:
            self._quiet.set()

    @abstractmethod
    def _wait(self, job: Job) -> None:
        """Have an attempt, which is in flight by now, begin as soon as it may."""
