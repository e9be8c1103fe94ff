"""Conversations: requests whose answer the code of a run gives, updates and queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import anyio
from msgspec import Raw
from msgspec.structs import replace

from ...actors.dispatcher import Dispatcher
from ...actors.shelf import NeedValue, Shelf
from ...eventlog.errors import PerdureError, Unavailable
from ...eventlog.log import Log
from ...eventlog.records import Record
from ..authoring.workflows import Registry
from ..inspect.aside import answer_aside
from ..perform.performer import Performer
from ..perform.ports import Threads
from ..requests import Answered, QueryRun, UpdateRun
from ..run import commands as cmd
from ..run.live import Run
from ..run.performing import Answer
from ..run.repeats import short
from ..run.state import ENDED


class Conversations:
    """Carries updates to live code and waits for its answers; queries go to live code, or to code driven aside from the log."""

    def __init__(
        self, dispatcher: Dispatcher, performer: Performer, log: Log, registry: Registry, threads: Threads, *, name: Callable[[str], str]
    ) -> None:
        self._dispatcher = dispatcher
        self._performer = performer
        self._log = log
        self._registry = registry
        self._threads = threads
        self._shelf = dispatcher.shelf
        self._name = name
        """A command id for an update whose sender gave none."""

    async def update(self, stream: str, request: UpdateRun) -> Answered:
        command = request.command or self._name(stream)
        with self._performer.asking(stream, command) as promise, anyio.move_on_after(request.within):
            ask = cmd.Update(request.name, request.arguments, command)
            answer: Answer | None = await self._dispatcher.ask(stream, ask, within=request.within)
            if answer is None and not request.wait:
                return Answered(request.run, self._version(stream, command))
            answer = answer or cast("Answer", await promise.wait())
            if answer.blob is not None:
                answer = replace(answer, result=Raw(await self._shelf.get(stream, answer.blob)), blob=None)
            return _answered(request.run, answer)
        raise Unavailable("the update is not answered yet", who=f"run {request.run!r}", where=f"update {request.name!r}",
                          expected=f"an answer within {request.within:g} s", found="its handler still runs",
                          instead=f"ask again with the same command id, {command!r}: it counts once, whoever waits for it")

    def _version(self, stream: str, command: str) -> int:
        """Where an accepted command stands in the run, if that is in memory still; else 0."""
        known = self._dispatcher.peek(stream)
        return known.facts.commands.get(short(command), 0) if isinstance(known, Run) else 0

    async def query(self, stream: str, request: QueryRun) -> Answered:
        within = self._dispatcher.settings.ask_seconds if request.within is None else request.within
        with anyio.move_on_after(within):
            known = self._dispatcher.peek(stream)
            if isinstance(known, Run) and known.machine is not None and known.facts.phase not in ENDED:
                ask = cmd.Query(request.name, request.arguments)
                answer: Answer | PerdureError | None = await self._dispatcher.ask(stream, ask, within=within)
                if isinstance(answer, PerdureError):
                    raise answer
                if answer is not None:
                    return _answered(request.run, answer)
            records = [record async for record in self._log.read(stream)]
            return _answered(request.run, await self._aside(stream, records, request))
        raise Unavailable("the query was not answered in time", who=f"run {request.run!r}", where=f"query {request.name!r}",
                          expected=f"an answer within {within:g} s", found="still at it", instead="ask for less, or give it more time")


    async def _aside(self, stream: str, records: Sequence[Record], request: QueryRun) -> Answer:
        """What code says that is driven aside; large values that it needs are fetched, and it begins anew."""
        shelf = Shelf()
        values = shelf.lent[stream] = {}
        while True:
            try:
                ask = cmd.Query(request.name, request.arguments)
                return cast("Answer", await self._threads.look(answer_aside, stream, records, self._registry, ask, shelf))
            except NeedValue as need:
                values |= {blob.digest: await self._shelf.get(stream, blob) for blob in need.blobs}


def _answered(run: str, answer: Answer) -> Answered:
    return Answered(run, answer.version, answer.result, answer.failure)
