"""Playing a run through a change of its code: begun and killed under the code as it was, gone on with the changed code in a new node,

and, where that had to stop, ended under the code as it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio
from msgspec import Struct

import perdure
from perdure.eventlog.codec import Event
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.inspect.replay import fold, judge, workflow_hash
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.state import RunState
from tests.corpus.gate import GATE, turn
from tests.corpus.ledger import Kill, Play
from tests.corpus.release import Killed, Life, killed_here
from tests.corpus.script import Message
from tests.corpus.virtual import VirtualClock, on_trio

WORDS = (
    "Retry", "StepError", "attributes", "first_of", "gather", "log", "patched", "signal", "sleep", "step", "task_group", "timeout",
    "workflow",
)  # fmt: skip

MESSAGES = [Message("signal", timedelta(minutes=minutes), "word", f"w{minutes}") for minutes in (1, 30, 90, 200, 300, 400)]
"""Sent to every run; what nobody waits for stays unread."""


class Played(Struct, frozen=True):
    """What a life left behind: the run's records, and its events since the life began."""

    records: list[bytes]
    events: list[Event]
    facts: RunState

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def flow_of(text: str, name: str) -> Workflow[..., Any]:
    """The workflow of a program's text, with perdure's words."""
    space: dict[str, Any] = {word: getattr(perdure, word) for word in WORDS}
    space |= {"__name__": "changed", "perdure": perdure, "timedelta": timedelta, "Any": Any, "turn": turn}
    exec(compile(text, f"<{name}>", "exec", dont_inherit=True), space)  # noqa: S102 - the text is our own
    flow: Workflow[..., Any] = space[name]
    return flow


class OneLife(Life):
    """A life of a run that may end early: where the run is suspended, or waits for what never comes."""

    async def go_on(self) -> None:
        await self.ledger.catch_up()
        self.clock.set(self.ledger.at)
        GATE.set(self.gate)
        async with self._serving() as runtime, anyio.create_task_group() as asking:
            run = runtime.run(self.play.id)
            await run.look()
            await self.ledger.catch_up()
            if self.ledger.main.phase == "suspended":
                await self._stand_still(runtime)
                return
            while (coming := await self._next()) is not None:
                await self._release(runtime, coming, asking)

    async def _stand_still(self, runtime: perdure.Runtime) -> None:
        """A fact from outside is still recorded, whatever else is tried: nobody reads this signal, so it changes no run."""
        run = runtime.run(self.play.id)
        await run.signal("unheard", 1, command="while it stood")
        for _ in range(2):
            await runtime.dispatcher.passivate()
            await run.look()


class Stage:
    """One run on a log in memory that outlives its nodes."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed
        self.log = MemoryLog()
        self.epoch = 0

    def begin(self, text: str, kill: Kill | None) -> Played:
        """Until the kill, or to the end."""
        return self._life(text, kill, OneLife.live)

    def go_on(self, text: str) -> Played:
        """Another node serves the run under this code, as far as it comes."""
        return self._life(text, None, OneLife.go_on)

    def _life(self, text: str, kill: Kill | None, live: Callable[[OneLife], Awaitable[object]]) -> Played:
        play = Play(f"{self.name}-{self.seed}", flow_of(text, self.name), (), MESSAGES, self.seed)
        self.epoch += 1
        before = len(self._records(play))

        async def lived(clock: VirtualClock) -> None:
            try:
                await live(OneLife(play, self.log.carrier(self.epoch), clock, kill, killed_here))
            except* Killed:
                pass

        on_trio(lived)
        records = self._records(play)
        events = [event for data in records[before:] for event in CODEC.decode(data).events]
        return Played(records, events, fold(play.stream, self.log.streams.get(play.stream, [])))

    def _records(self, play: Play) -> list[bytes]:
        return [record.data for record in self.log.streams.get(play.stream, [])]

    def agrees(self, text: str) -> bool:
        """Whether a replay of all of the log with this code finds no difference."""
        (stream,) = self.log.streams
        return bool(judge(stream, self.log.streams[stream], Registry([flow_of(text, self.name)])).agrees)


def digest_of(played: Played) -> str:
    return workflow_hash(played.facts)
