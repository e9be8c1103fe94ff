"""The journal of effects: what the world outside saw of the steps, whatever became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import anyio

from ..authoring.steps import Attempt
from ..perform.job import Job
from ..perform.pool import Pool
from ..run.commands import StepBroke
from ..run.events import StepCompleted
from .clock import world_time


class Begun:
    """One attempt that began: where, for which effect, under which key."""

    __slots__ = ("at", "attempt", "effect", "epoch", "key", "node", "once", "stream")

    def __init__(
        self, stream: str, effect: str, attempt: int, key: str, node: str, epoch: int | None, at: float, *, once: bool = False
    ) -> None:
        self.stream = stream
        self.effect = effect
        self.attempt = attempt
        self.key = key
        self.node = node
        """The owner's name, another after each start."""
        self.epoch = epoch
        """Under which the node owned the stream when it began, or last did."""
        self.at = at
        self.once = once
        """Whether its step may be attempted at most once."""

    def __repr__(self) -> str:
        return f"{self.stream} {self.effect}#{self.attempt} on {self.node} (epoch {self.epoch}) at {self.at:g}"


class AttemptEnded(NamedTuple):
    """One attempt that ended on a living node, whose run was told of it; `at` in microseconds of the world."""

    stream: str
    effect: str
    at: int


class Journal:
    """Every attempt that began anywhere, and every end that a run was told of, in order."""

    def __init__(self) -> None:
        self.begun: list[Begun] = []
        self.ended: list[AttemptEnded] = []

    def repeats(self) -> list[list[Begun]]:
        """The attempts that began more than once, each with all its beginnings."""
        by_attempt: dict[tuple[str, str, int], list[Begun]] = {}
        for begun in self.begun:
            by_attempt.setdefault((begun.stream, begun.effect, begun.attempt), []).append(begun)
        return [many for many in by_attempt.values() if len(many) > 1]

    def wrong_keys(self) -> list[str]:
        """Effects with more than one key, and keys with more than one effect."""
        keys: dict[tuple[str, str], str] = {}
        effects: dict[str, tuple[str, str]] = {}
        found: list[str] = []
        for begun in self.begun:
            effect = (begun.stream, begun.effect)
            if keys.setdefault(effect, begun.key) != begun.key:
                found.append(f"{begun} has another idempotency key than before")
            if effects.setdefault(begun.key, effect) != effect:
                found.append(f"{begun} has the key of {effects[begun.key]}")
        return found

    def times(self, effects: Iterable[str] = ()) -> Counter[str]:
        """How often each effect was begun."""
        return Counter(begun.effect for begun in self.begun)


class WatchedPool(Pool):
    """The pool itself, with a note in the journal before each attempt; on a paused node it waits, on a dead one it never begins."""

    def __init__(
        self,
        journal: Journal,
        passing: Callable[[], Awaitable[None]],
        epoch: Callable[[str], int | None],
        dead: Callable[[], bool],
        post: Callable[[str, Any], None],
        *ports: Any,
        **more: Any,
    ) -> None:
        super().__init__(partial(self._told, post), *ports, **more)
        self._journal = journal
        self._passing = passing
        self._dead = dead
        self._epoch = epoch
        self.gate = self._noted

    async def _noted(self, job: Job) -> None:
        key = Attempt(job.stream, job.call.step.name, job.id, job.attempt).idempotency_key
        once = job.call.step.rules.at_most_once
        begun = Begun(job.stream, job.id, job.attempt, key, self.owner, self._epoch(job.stream), anyio.current_time(), once=once)
        await self._passing()
        self._journal.begun.append(begun)

    def _told(self, post: Callable[[str, Any], None], stream: str, told: Any) -> None:
        """Post an outcome, with a note that the attempt has ended here."""
        if isinstance(told, StepCompleted | StepBroke) and not self._dead():
            self._journal.ended.append(AttemptEnded(stream, told.id, world_time()))
        post(stream, told)
