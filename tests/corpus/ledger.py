"""The ledger: the runs of one play as their log shows them, and what may happen next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import anyio
from msgspec import Struct

from perdure.eventlog.log import Log
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.inspect.replay import workflow_hash
from perdure.runtime.run import events as ev
from perdure.runtime.run.errands import has_errands
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, state_digest
from tests.corpus.gate import Turn
from tests.corpus.script import Message, Opening, is_over, is_possible
from tests.corpus.slots import Slots, holder_of, limit_of

LONGEST_STEP = 60_000_000
SENDING = "perdure."
"""How the names of steps begin that carry messages to other runs: they pass no gate."""
GATED = frozenset({"perdure.evaluate", "perdure.find"})
"""Those of definitions: they wait for their turn, since the order in which they end is a part of what happened."""


def is_sending(step: str) -> bool:
    return step.startswith(SENDING) and step not in GATED


class Kill(NamedTuple):
    """The end of a life: at which of its appends, and whether that append is lost or lasts."""

    nth: int
    lasts: bool


class Play(Struct, frozen=True):
    """One run to be played: what is started, what is sent, and the seed of the order. `also`: other workflows that it needs."""

    id: str
    workflow: Workflow[..., Any]
    args: tuple[Any, ...]
    messages: Sequence[Message]
    seed: int
    also: Sequence[Workflow[..., Any]] = ()
    opening: Opening = Opening()

    @property
    def stream(self) -> str:
        return stream_of("run", "default", self.id)

    def drawn(self, what: str, below: int) -> int:
        """A number that depends on the seed and on `what` alone."""
        return int.from_bytes(sha256(f"{self.seed}/{what}".encode()).digest()[:8]) % below

    def kill(self, life: int) -> Kill:
        """How a life ends before its time."""
        return Kill(1 + self.drawn(f"nth {life}", 2), bool(self.drawn(f"lasts {life}", 2)))

    def run(self, to: str) -> str:
        """The id of a run that messages go to."""
        return self.id + to


class Played(Struct, frozen=True):
    """What a play came to: the facts of the run, and of every other that had to do with it, by id."""

    main: RunState
    others: dict[str, RunState]

    @property
    def content(self) -> str:
        """The content digests of all."""
        return self._joined({id: workflow_hash(facts) for id, facts in self.others.items()}, workflow_hash(self.main))

    @property
    def state(self) -> str:
        """The state digests of all."""
        return self._joined({id: state_digest(facts) for id, facts in self.others.items()}, state_digest(self.main))

    @staticmethod
    def _joined(others: dict[str, str], main: str) -> str:
        return sha256(f"{main} {sorted(others.items())}".encode()).hexdigest() if others else main


class Release(NamedTuple):
    """One thing to let happen, in the order of moments. `run` and `id`: what it is of; `rank`: a moment, a step or a message."""

    at: int
    rank: int
    run: str
    id: str
    attempt: int = 0


class Known:
    """One run: its facts, and since when each open attempt is wanted."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.stream = stream_of("run", "default", id)
        self.facts = RunState()
        self.since: dict[str, int] = {}
        self.limits: dict[str, str] = {}
        """Steps whose attempts need a slot, and the stream of its limit."""

    def take(self, event: Any, at: int) -> None:
        facts = evolve(self.facts, event, at)
        if isinstance(event, ev.StepScheduled):
            self.since[event.id] = at
            if limit := limit_of(self.stream, event.name, event.args):
                self.limits[event.id] = limit
        elif isinstance(event, ev.StepFailed) and event.retry_at is not None:
            self.since[event.id] = event.retry_at
        elif isinstance(event, ev.RetryRequested):
            self.since.update(dict.fromkeys(facts.steps, at))

    def attempts(self) -> list[tuple[str, int]]:
        """Attempts that a step's own function is to perform, now or after a pause."""
        if self.facts.phase != "running":
            return []
        steps = self.facts.steps.items()
        return [(id, step.attempt) for id, step in steps if id not in self.facts.deferred and not is_sending(step.name)]

    def due(self, now: int) -> list[tuple[str, int]]:
        """Those of them that do not back off."""
        return [(id, n) for id, n in self.attempts() if self.facts.retries.get(id, 0) <= now]

    def moments(self) -> list[tuple[int, str]]:
        """What comes due by itself."""
        facts = self.facts
        found: list[tuple[int, str]] = []
        if facts.phase == "delayed":
            found.append((facts.start_at, "begin"))
        if facts.deadline and not facts.frozen_at and not facts.ended:
            found.append((facts.deadline, "end"))
        if facts.phase == "running":
            sending = {id: due for id, due in facts.retries.items() if is_sending(facts.steps[id].name)}
            found += [(due, id) for many in (facts.timers, facts.step_deadlines, sending) for id, due in many.items()]
        return found

    def is_restless(self, seen: set[Turn], now: int) -> bool:
        """Whether something is on its way that needs no release: an errand, a message, what is due, the outcome of what is unwanted."""
        facts = self.facts
        if has_errands(facts) or any(due <= now for due, _ in self.moments()):
            return True
        if facts.ended:
            return False
        if any((self.stream, id, step.attempt) in seen for id, step in facts.abandoned.items()):
            return True
        if facts.phase == "suspended":
            assert not facts.stuck, f"{self.id} is suspended: {facts.stuck}"
            return True
        sending = [id for id, step in facts.steps.items() if is_sending(step.name) and id not in facts.retries]
        return facts.phase == "running" and bool(sending)


class Ledger:
    """All runs of a play: the played one, those that messages go to, and every child and attached run of these."""

    def __init__(self, play: Play, log: Log, node: str) -> None:
        self._play = play
        self._log = log
        self._node = node
        self.runs: dict[str, Known] = {}
        self._limits: dict[str, Slots] = {}
        self.begun = 0
        """When the played run was started."""
        self._sent: set[str] = set()
        self._reading = anyio.Lock()
        for to in ("", *sorted({message.to for message in play.messages})):
            self._meet(play.run(to))

    def _meet(self, id: str) -> None:
        self.runs.setdefault(id, Known(id))

    @property
    def main(self) -> RunState:
        return self.runs[self._play.id].facts

    @property
    def at(self) -> int:
        """The time of the last record of any run, or of a limit; 0 where there is none."""
        return max([known.facts.at for known in self.runs.values()] + [limit.state.at for limit in self._limits.values()])

    async def catch_up(self) -> None:
        """Know all that is in the log by now.

        Streams are read one after another, so a run may be read before, and its child after, something that concerns both:
        once a round finds nothing new, nothing is known whose cause is not.
        """
        async with self._reading:
            before = -1
            while (known_now := self._known_now()) > before:
                before = known_now
                for known in tuple(self.runs.values()):
                    await self._read(known)
                for limit in self._limits.values():
                    await limit.read(self._log)

    def _known_now(self) -> int:
        """A number that grows with all that is known."""
        events = [known.facts.length for known in self.runs.values()] + [limit.length for limit in self._limits.values()]
        return sum(events) + len(self.runs) + len(self._limits)

    async def _read(self, known: Known) -> None:
        async for record in self._log.read(known.stream, after=known.facts.length):
            batch = ev.CODEC.decode(record.data)
            for event in batch.events:
                known.take(event, batch.at)
                if isinstance(event, ev.ChildScheduled | ev.AttachScheduled):
                    self._meet(event.run)
        for limit in known.limits.values():
            self._limits.setdefault(limit, Slots(limit, self._node))
        if known.id == self._play.id and not self.begun:
            self.begun = known.facts.started_at

    def played(self) -> Played:
        others = {id: known.facts for id, known in self.runs.items() if id != self._play.id and known.facts.length}
        return Played(self.main, others)

    def wanted(self, now: int) -> list[Turn]:
        """Attempts of all runs that must be under way."""
        return [(known.stream, id, n) for known in self.runs.values() for id, n in known.due(now) if self._may_begin(known, id)]

    def is_restless(self, seen: set[Turn], now: int) -> bool:
        if any(known.is_restless(seen, now) for known in self.runs.values()):
            return True
        need: dict[str, set[str]] = {limit: set() for limit in self._limits}
        for known in self.runs.values():
            for id, _ in known.due(now):
                if id in known.limits:
                    need[known.limits[id]].add(holder_of(known.stream, id))
        return any(limit.is_restless(need[limit.stream], now) for limit in self._limits.values())

    def _may_begin(self, known: Known, id: str) -> bool:
        """Whether an attempt needs no slot, or has one."""
        return id not in known.limits or self._limits[known.limits[id]].has(holder_of(known.stream, id))

    def living(self) -> set[str]:
        """The streams of what has begun and not ended."""
        return {known.stream for known in self.runs.values() if known.facts.length and not known.facts.ended}

    def next(self) -> Release | None:
        """What happens next; None where nothing can."""
        return min((*self.moments(), *self._steps(), *self._messages()), default=None)

    def owes(self) -> bool:
        """Whether a message is left that even a run that has ended could get."""
        return any(message.kind == "retry" for _, message in self._open())

    def sent(self, command: str) -> None:
        """The message was applied, or was legally refused."""
        self._sent.add(command)

    def moments(self) -> list[Release]:
        """What comes due by itself, attempts among it that ask for a slot then."""
        found = [Release(at, 0, known.id, id) for known in self.runs.values() for at, id in known.moments()]
        found += [Release(at, 0, limit.stream, id) for limit in self._limits.values() for at, id in limit.moments()]
        for known in self.runs.values():
            for id, limit in known.limits.items():
                due = known.facts.retries.get(id)
                if due is not None and not self._limits[limit].knows(holder_of(known.stream, id)):
                    found.append(Release(due, 0, known.id, id))
        return found

    def _steps(self) -> list[Release]:
        return [
            Release(known.since[id] + 1 + self._play.drawn(self._named(known, id, n), LONGEST_STEP), 1, known.id, id, n)
            for known in self.runs.values()
            for id, n in known.attempts()
            if self._may_begin(known, id)
        ]

    def _named(self, known: Known, id: str, attempt: int) -> str:
        return f"{id}#{attempt}" if known.id == self._play.id else f"{known.id}/{id}#{attempt}"

    def _messages(self) -> list[Release]:
        for n, message in self._open():
            id = self._play.run(message.to)
            facts = self.runs[id].facts
            if not is_over(message, facts):
                due = self.begun + message.at // timedelta(microseconds=1)
                return [Release(due, 2, id, f"m{n}")] if is_possible(message, facts) else []
        return []

    def _open(self) -> list[tuple[int, Message]]:
        """The messages behind the last that is known to be sent, in their order."""
        commands = {command for known in self.runs.values() for command in known.facts.commands}
        last = max((n for n in range(len(self._play.messages)) if f"m{n}" in commands or f"m{n}" in self._sent), default=-1)
        return [(n, message) for n, message in enumerate(self._play.messages) if n > last]
