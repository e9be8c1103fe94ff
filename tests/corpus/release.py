"""A schedule releases what a run waits for one thing at a time: steps, timers, messages, each at a moment drawn from a seed.

What comes next is a function of the seed and of the run's own log, never of who arrived first; so every carrier, and
every life after a kill, sees the same history. The runtime is the real one; only its ports (clock, ids, threads) and
the moments at which steps end are the schedule's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal, NamedTuple, NoReturn, Protocol

import anyio
import msgspec
from anyio.lowlevel import checkpoint
from msgspec import Raw, Struct

from perdure.actors.ports import OwnsAll
from perdure.eventlog.errors import Conflict, Refused, Unavailable
from perdure.eventlog.log import Carrier, Cursor, Log, Version
from perdure.eventlog.records import Append, Record, Tail
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import AnyRequest, CancelRun, SignalRun, StartRun, TerminateRun
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from perdure.runtime.settings import Settings
from tests.corpus.gate import GATE, Gate, GatedThreads
from tests.corpus.virtual import START, VirtualClock

LONGEST_STEP = 60_000_000
ENDS = (ev.RunCompleted, ev.RunFailed, ev.RunCancelled, ev.RunTerminated)


class Message(Struct, frozen=True):
    """What is sent to a run from outside, so long after its start."""

    kind: Literal["signal", "cancel", "terminate"]
    at: timedelta
    name: str = ""
    value: Any = None


class Kill(NamedTuple):
    """The end of a life: at which of its appends, and whether that append is lost or lasts."""

    nth: int
    lasts: bool


class Play(Struct, frozen=True):
    """One run to be played: what is started, what is sent, and the seed of the order."""

    id: str
    workflow: Workflow[..., Any]
    args: tuple[Any, ...]
    messages: Sequence[Message]
    seed: int

    @property
    def stream(self) -> str:
        return stream_of("run", "default", self.id)

    def drawn(self, what: str, below: int) -> int:
        """A number that depends on the seed and on `what` alone."""
        return int.from_bytes(sha256(f"{self.seed}/{what}".encode()).digest()[:8]) % below

    def kill(self, life: int) -> Kill:
        """How a life ends before its time."""
        return Kill(1 + self.drawn(f"nth {life}", 2), bool(self.drawn(f"lasts {life}", 2)))


class Release(NamedTuple):
    """One thing to let happen, in the order of moments."""

    at: int
    rank: int
    id: str
    attempt: int = 0


class Killed(BaseException):
    """The process of a life is gone."""


def killed_here() -> NoReturn:
    """The end of a life within this process."""
    raise Killed


class TappedLog:
    """A log that tells when it has grown, and at a chosen append kills whoever writes."""

    def __init__(self, log: Log, kill: Kill | None, die: Callable[[], NoReturn]) -> None:
        self._log = log
        self._kill = kill
        self._die = die
        self._appends = 0
        self._grown = anyio.Event()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self._appends += 1
        dies, lasts = self._fate(appends)
        if dies and not lasts:
            self._die()
        try:
            answers = await self._log.append(appends)
        finally:  # a log that answers with an error may have grown all the same
            self._grown.set()
            self._grown = anyio.Event()
        if dies:
            self._die()
        return answers

    def _fate(self, appends: Sequence[Append]) -> tuple[bool, bool]:
        """(the life ends here, the append lasts); what would end the run is lost, so that there is a next life."""
        if self._kill is None:
            return False, False
        ends = any(isinstance(event, ENDS) for append in appends for event in ev.CODEC.decode(append.data).events)
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


class Ledger:
    """A run as its log shows it: the facts, and since when each open attempt is wanted."""

    def __init__(self, play: Play, log: Log) -> None:
        self._play = play
        self._log = log
        self.facts = RunState()
        self._since: dict[str, int] = {}
        self._sent: set[str] = set()

    async def catch_up(self) -> RunState:
        async for record in self._log.read(self._play.stream, after=self.facts.length):
            batch = ev.CODEC.decode(record.data)
            for event in batch.events:
                evolve(self.facts, event, batch.at)
                if isinstance(event, ev.StepScheduled):
                    self._since[event.id] = batch.at
                elif isinstance(event, ev.StepFailed) and event.retry_at is not None:
                    self._since[event.id] = event.retry_at
        return self.facts

    def wanted(self, now: int) -> list[tuple[str, int]]:
        """Attempts that must be under way."""
        facts = self.facts
        return [(id, step.attempt) for id, step in facts.steps.items() if facts.retries.get(id, 0) <= now]

    def next(self) -> Release | None:
        """What happens next; None where nothing can."""
        return min((*self._steps(), *self._timers(), *self._messages()), default=None)

    def sent(self, command: str) -> None:
        """The message was applied, or was legally refused."""
        self._sent.add(command)

    def _steps(self) -> list[Release]:
        attempts = [(id, step.attempt) for id, step in self.facts.steps.items()]
        return [Release(self._since[id] + 1 + self._play.drawn(f"{id}#{n}", LONGEST_STEP), 1, id, n) for id, n in attempts]

    def _timers(self) -> list[Release]:
        return [Release(due, 0, id) for id, due in self.facts.timers.items()]

    def _messages(self) -> list[Release]:
        facts = self.facts
        open_ones = [n for n in range(len(self._play.messages)) if f"m{n}" not in facts.commands and f"m{n}" not in self._sent]
        return [Release(facts.started_at + self._play.messages[n].at // timedelta(microseconds=1), 2, f"m{n}") for n in open_ones[:1]]


class Life:
    """One life of a runtime that plays a run: from the opening of its log to the run's end, or to a kill."""

    def __init__(self, play: Play, carrier: Carrier, clock: VirtualClock, kill: Kill | None, die: Callable[[], NoReturn]) -> None:
        self.play = play
        self.clock = clock
        self.log = TappedLog(carrier.log, kill, die)
        self.carrier = msgspec.structs.replace(carrier, log=self.log)
        self.ledger = Ledger(play, carrier.log)
        self.gate = Gate()

    async def live(self) -> RunState:
        """Play until the run has ended; its facts."""
        facts = await self.ledger.catch_up()
        self.clock.set(facts.at or START)
        GATE.set(self.gate)
        async with self._serving() as runtime:
            if not facts.length:
                await _insist(runtime, self._start())
            while not (await self._rest()).ended:
                coming = self.ledger.next()
                if coming is None or facts.phase == "suspended":
                    raise AssertionError(f"{self.play.id}: nothing can happen any more: {self.ledger.facts}")
                await self._release(runtime, coming)
        return self.ledger.facts

    def _start(self) -> StartRun:
        workflow, arguments = self.play.workflow, Raw(msgspec.json.encode(self.play.args))
        return StartRun(workflow=workflow.name, version=workflow.version, run=self.play.id, arguments=arguments, command="start")

    @asynccontextmanager
    async def _serving(self) -> AsyncGenerator[Runtime]:
        settings = Settings(worker_concurrency=1_000, drain_seconds=0.0)
        ports: Any = {"clock": self.clock, "ids": SeededIds(self.play), "threads": GatedThreads()}
        runtime = Runtime(self.carrier, [self.play.workflow], **ports, ownership=OwnsAll("corpus", self.carrier.epoch), settings=settings)
        async with runtime.serving():
            yield runtime

    async def _rest(self) -> RunState:
        """Wait until every attempt that must be under way waits at the gate, and no outcome of this life is outstanding."""
        while True:
            grown = self.log.grown
            facts = await self.ledger.catch_up()
            if any((id, step.attempt) in self.gate.seen for id, step in facts.abandoned.items()) and not facts.ended:
                await grown.wait()
                continue
            await self.gate.gathered(self.ledger.wanted(self.clock.now()))
            return facts

    async def _release(self, runtime: Runtime, coming: Release) -> None:
        self.clock.reach(coming.at)
        match coming.rank:
            case 0:
                await self._until(lambda facts: coming.id not in facts.timers)
            case 1:
                await self.gate.gathered([(coming.id, coming.attempt)])
                limit = self.gate.open((coming.id, coming.attempt))
                if limit is not None:
                    self.clock.reach(self.clock.now() + limit // timedelta(microseconds=1))
                await self._until(lambda facts: coming.id not in facts.steps or facts.steps[coming.id].attempt != coming.attempt)
            case _:
                await self._send(runtime, coming.id)

    async def _until(self, happened: Callable[[RunState], bool]) -> None:
        while True:
            grown = self.log.grown
            facts = await self.ledger.catch_up()
            if happened(facts) or facts.ended:
                return
            await grown.wait()

    async def _send(self, runtime: Runtime, command: str) -> None:
        message, run = self.play.messages[int(command[1:])], self.play.id
        requests: dict[str, AnyRequest] = {
            "cancel": CancelRun(run=run, reason="asked to", command=command),
            "terminate": TerminateRun(run=run, reason="told to", command=command),
            "signal": SignalRun(run=run, name=message.name, value=Raw(msgspec.json.encode(message.value)), command=command),
        }
        try:
            await _insist(runtime, requests[message.kind])
        except Refused:
            assert (await self.ledger.catch_up()).ended
        self.ledger.sent(command)


async def _insist(runtime: Runtime, request: AnyRequest) -> None:
    """Ask, with the same command id, until somebody answers."""
    while True:
        try:
            await runtime.do(request)
        except Unavailable:
            await checkpoint()
        else:
            return


class Place(Protocol):
    """Where a run is played: something that opens its carrier, anew for every life."""

    def opened(self, life: int) -> Any: ...


async def play(run: Play, place: Place, clock: VirtualClock, *, kills: int = 0) -> RunState:
    """Play a run to its end through as many lives as it is killed, and one more."""
    for life in range(kills):
        if await lived(run, place, clock, life) is not None:
            raise AssertionError(f"{run.id} ended before it was killed {kills} times")
    async with place.opened(kills + 1) as carrier:
        return await Life(run, carrier, clock, None, killed_here).live()


async def lived(run: Play, place: Place, clock: VirtualClock, life: int) -> RunState | None:
    """Play a life that is to be killed; None once it was."""
    try:
        async with place.opened(life + 1) as carrier:
            return await Life(run, carrier, clock, run.kill(life), killed_here).live()
    except* Killed:
        pass
    return None
