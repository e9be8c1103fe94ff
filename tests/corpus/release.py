"""A schedule releases what runs wait for one thing at a time: steps, moments, messages, each at a time drawn from a seed.

What comes next is a function of the seed and of the runs' own log, never of who arrived first; so every carrier, and
every life after a kill, sees the same history. The runtime is the real one; only its ports (clock, ids, threads,
processes) and the moments at which steps end are the schedule's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol

import anyio
import anyio.abc
import msgspec
from anyio.lowlevel import checkpoint

from perdure.actors.ports import OwnsAll
from perdure.eventlog.errors import Conflict, Refused, Unavailable
from perdure.eventlog.log import Carrier, Cursor, Log, Version
from perdure.eventlog.records import Append, Record, Tail
from perdure.runtime.authoring.steps import Attempt
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import replay
from perdure.runtime.perform.interceptors import Next
from perdure.runtime.perform.job import Job
from perdure.runtime.requests import AnyRequest, UpdateRun
from perdure.runtime.run import events as ev
from perdure.runtime.settings.node import Settings
from tests.corpus.defined import INTERPRETER, TYPES
from tests.corpus.gate import GATE, Gate, GatedProcesses, GatedThreads, turn
from tests.corpus.ledger import GATED, Kill, Known, Ledger, Play, Played, Release
from tests.corpus.script import request_of
from tests.corpus.special_steps import RESOURCES
from tests.corpus.virtual import START, VirtualClock

RUNS = "run/"
"""How the streams of runs begin; those of limits are played along."""
ENDS = (ev.RunCompleted, ev.RunFailed, ev.RunCancelled, ev.RunTerminated, ev.RunTimedOut)


class Killed(BaseException):
    """The process of a life is gone."""


def killed_here() -> NoReturn:
    """The end of a life within this process."""
    raise Killed


class TappedLog:
    """A log that tells when it has grown, and at a chosen append kills whoever writes.

    `is_last` says of the streams that an append would end whether nothing would be left to live for: such an append is lost, so
    that there is a next life.
    """

    def __init__(self, log: Log, kill: Kill | None, die: Callable[[], NoReturn], is_last: Callable[[set[str]], Awaitable[bool]]) -> None:
        self._log = log
        self._kill = kill
        self._die = die
        self._is_last = is_last
        self._appends = 0
        self._grown = anyio.Event()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self._appends += 1
        dies, lasts = await self._fate(appends)
        if dies and not lasts:
            self._die()
        try:
            answers = await self._log.append(appends)
        finally:  # a log that answers with an error may have grown all the same
            self.ring()
        if dies:
            self._die()
        return answers

    def ring(self) -> None:
        """Wake who waits for the log to grow: something else may have changed, too."""
        self._grown.set()
        self._grown = anyio.Event()

    async def _fate(self, appends: Sequence[Append]) -> tuple[bool, bool]:
        """(the life ends here, the append lasts)."""
        if self._kill is None:
            return False, False
        runs = [one for one in appends if one.stream.startswith(RUNS)]
        ending = {one.stream for one in runs if any(isinstance(event, ENDS) for event in ev.CODEC.decode(one.data).events)}
        ends = bool(ending) and await self._is_last(ending)
        return ends or self._appends == self._kill.nth, self._kill.lasts and not ends

    @property
    def grown(self) -> anyio.Event:
        """Set at the next append."""
        return self._grown

    async def load(self, after: Mapping[str, Version]) -> Mapping[str, Sequence[Record]]:
        return await self._log.load(after)

    def read(self, stream: str, *, after: Version = 0) -> AsyncIterator[Record]:
        return self._log.read(stream, after=after)

    def follow(self, *, after: Cursor | None = None) -> AsyncIterator[Record]:
        return self._log.follow(after=after)

    def cursor(self, record: Record) -> Cursor:
        return self._log.cursor(record)


class SeededIds:
    """The ids port: the run's own chance is the schedule's."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def run_id(self, now: int) -> str:
        return self._play.id

    def seed(self) -> int:
        return self._play.drawn("the run's seed", 1 << 63)


class Life:
    """One life of a runtime that plays a run: from the opening of its log to the end of all its runs, or to a kill."""

    def __init__(self, play: Play, carrier: Carrier, clock: VirtualClock, kill: Kill | None, die: Callable[[], NoReturn]) -> None:
        self.play = play
        self.clock = clock
        self.log = TappedLog(carrier.log, kill, die, self._is_last)
        self.carrier = msgspec.structs.replace(carrier, log=self.log)
        self.owner = OwnsAll("corpus", carrier.epoch)
        self.ledger = Ledger(play, carrier.log, f"{self.owner.owner}:{carrier.epoch}")
        self.gate = Gate()

    async def _is_last(self, ending: set[str]) -> bool:
        await self.ledger.catch_up()
        return not self.ledger.owes() and self.ledger.living() <= ending

    async def live(self) -> Played:
        """Play until all runs have ended; what they came to."""
        await self.ledger.catch_up()
        self.clock.set(self.ledger.at or START)
        GATE.set(self.gate)
        async with self._serving() as runtime, anyio.create_task_group() as asking:
            if not self.ledger.main.length:
                await _insist(runtime, self._start())
            while (coming := await self._next()) is not None:
                await self._release(runtime, coming, asking)
            asking.cancel_scope.cancel()
        if self.ledger.living():
            raise AssertionError(f"{self.play.id}: nothing can happen any more: {[known.facts for known in self.ledger.runs.values()]}")
        return self.ledger.played()

    def _start(self) -> AnyRequest:
        play = self.play
        return play.opening.request(play.workflow.name, play.workflow.version, play.id, play.args)

    @asynccontextmanager
    async def _serving(self) -> AsyncGenerator[Runtime]:
        settings = Settings(worker_concurrency=1_000, drain_seconds=0.0)
        ports: Any = {"clock": self.clock, "steady": self.clock.now, "ids": SeededIds(self.play), "threads": GatedThreads()}
        ports |= {"resources": RESOURCES, "processes": GatedProcesses()}
        workflows = [each for each in (self.play.workflow, *self.play.also) if each is not INTERPRETER.workflow]
        if self.play.workflow is INTERPRETER.workflow:  # the runtime has its own
            ports |= {"types": TYPES, "interceptors": [_in_turn]}
        runtime = Runtime(self.carrier, workflows, **ports, ownership=self.owner, settings=settings)
        runtime.pool.gate = self._gate_of_transactions
        async with runtime.serving():
            yield runtime

    async def _gate_of_transactions(self, job: Job) -> None:
        """Before its transaction: in it nobody may wait."""
        if job.call.step.is_transactional:
            await self.gate.wait((job.stream, job.id, job.attempt), None)

    async def _next(self) -> Release | None:
        """What happens next, once every attempt that must be under way waits at the gate and nothing else is on its way."""
        while True:
            grown = self.log.grown
            await self.ledger.catch_up()
            if self.ledger.is_restless(self.gate.seen, self.clock.now()):
                await grown.wait()
                continue
            await self.gate.gathered(self.ledger.wanted(self.clock.now()))
            return self.ledger.next()

    async def _release(self, runtime: Runtime, coming: Release, asking: anyio.abc.TaskGroup) -> None:
        self.clock.reach(coming.at)
        if not coming.rank:
            await self._until(lambda: coming not in self.ledger.moments())
            return
        known = self.ledger.runs[coming.run]
        match coming.rank:
            case 1:
                turn = (known.stream, coming.id, coming.attempt)
                await self.gate.gathered([turn])
                limit = self.gate.open(turn)
                if limit is not None:
                    self.clock.reach(self.clock.now() + round(limit.total_seconds() * 1e6))
                await self._until(lambda: known.facts.ended or (coming.id, coming.attempt) not in known.attempts())
            case _:
                await self._send(runtime, known, coming.id, asking)

    async def _until(self, happened: Callable[[], bool]) -> None:
        while True:
            grown = self.log.grown
            await self.ledger.catch_up()
            if happened():
                return
            await grown.wait()

    async def _send(self, runtime: Runtime, known: Known, command: str, asking: anyio.abc.TaskGroup) -> None:
        request = request_of(self.play.messages[int(command[1:])], known.id, known.facts, command)
        if isinstance(request, UpdateRun):
            await self._ask(runtime, known, request, asking)
        else:
            try:
                await _insist(runtime, request)
            except Refused:
                await self.ledger.catch_up()
                assert known.facts.ended, f"{request} was refused"
        self.ledger.sent(command)

    async def _ask(self, runtime: Runtime, known: Known, request: UpdateRun, asking: anyio.abc.TaskGroup) -> None:
        """Send an update and go on once it is accepted or turned away: its answer may need further releases."""
        is_turned_away = False

        async def ask() -> None:
            nonlocal is_turned_away
            try:
                await _insist(runtime, request)
            except Refused:
                is_turned_away = True
                self.log.ring()

        asking.start_soon(ask)
        await self._until(lambda: is_turned_away or known.facts.ended or request.command in known.facts.commands)


async def _in_turn(attempt: Attempt, call_next: Next) -> Any:
    """Steps of the engine do not know the gate."""
    if attempt.step in GATED:
        await turn()
    return await call_next()


async def _insist(runtime: Runtime, request: AnyRequest) -> None:
    """Ask, with the same command id, until somebody answers."""
    while True:
        try:
            await runtime.do(request)
        except Unavailable:
            await checkpoint()
        else:
            return


async def agrees(run: Play, played: Played, carrier: Carrier) -> None:
    """AssertionError where code and log of one of the runs disagree."""
    registry = Registry([run.workflow, *run.also])
    for id in (run.id, *played.others):
        verdict = await replay(carrier.log, Known(id).stream, registry, carrier.blobs)
        assert verdict.agrees, f"{id}: {verdict}"


class Place(Protocol):
    """Where a run is played: something that opens its carrier, anew for every life."""

    def opened(self, life: int) -> Any: ...


async def play(run: Play, place: Place, clock: VirtualClock, *, kills: int = 0) -> Played:
    """Play a run to its end through as many lives as it is killed, and one more; its code must agree with the log."""
    for life in range(kills):
        if await lived(run, place, clock, life) is not None:
            raise AssertionError(f"{run.id} ended before it was killed {kills} times")
    async with place.opened(kills + 1) as carrier:
        played = await Life(run, carrier, clock, None, killed_here).live()
        await agrees(run, played, carrier)
        return played


async def lived(run: Play, place: Place, clock: VirtualClock, life: int) -> Played | None:
    """Play a life that is to be killed; None once it was."""
    try:
        async with place.opened(life + 1) as carrier:
            return await Life(run, carrier, clock, run.kill(life), killed_here).live()
    except* Killed:
        pass
    return None
