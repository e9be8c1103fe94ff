"""Planted bugs that only racing wishes betray: each turns one guard of the real code off, and with it the guard that would hide it.

Beside each stands a word of what must be found: another violation than that of its own promise does not count.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from perdure.actors import judging
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import EVOLVE
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import driver
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import RunState
from tests.sim.bugs import Planted, approval_decided_twice, begun_again_at_recovery, child_outcome_lost


class RaceBug(NamedTuple):
    """A planted bug, and a word of every violation that betrays it."""

    planted: Planted
    betrayed_by: str


@contextmanager
def dedupe_forgotten_at_snapshot() -> Generator[None]:
    """A run that comes back from its snapshot no longer knows which commands it has accepted."""
    real = Runs.thaw

    def thaw(self: Runs, stream: str, data: bytes) -> Run:
        run = real(self, stream, data)
        run.facts.commands.clear()
        return run

    with patch.object(Runs, "thaw", thaw):
        yield


@contextmanager
def wrong_generation() -> Generator[None]:
    """Effect ids do not carry the generation, and what an earlier one had under way is still awaited."""
    real_begin, real_continued = Machine.begin, EVOLVE[ev.Continued]

    def begin(self: Machine, at: int) -> None:
        self.generation = 1
        real_begin(self, at)

    def continued(state: RunState, event: ev.Continued, at: int) -> None:
        flying = state.abandoned
        real_continued(state, event, at)
        state.abandoned = flying

    with patch.object(Machine, "begin", begin), patch.dict(EVOLVE, {ev.Continued: continued}):
        yield


@contextmanager
def cancel_ignored_while_backing_off() -> Generator[None]:
    """A cancel that meets a step between two attempts is recorded, and the code does not hear of it."""
    real = EVOLVE[ev.CancelRequested]

    def requested(state: RunState, event: ev.CancelRequested, at: int) -> None:
        heard, delivered = len(state.arrivals), state.delivered
        real(state, event, at)
        if state.retries:
            del state.arrivals[heard:]
            state.delivered = delivered

    with patch.dict(EVOLVE, {ev.CancelRequested: requested}):
        yield


@contextmanager
def timer_early_after_a_backward_jump() -> Generator[None]:
    """Nothing holds the time of a stream back from going back, neither where it is written nor where the code asks for it."""

    def feed(self: Machine, arrival: Any, at: int) -> None:
        self.at = at
        self.fed += 1
        driver.TAKE[type(arrival)](self, arrival)
        self.to_rest()

    def now_alone(now: int, at: int) -> int:
        return now

    with patch.object(judging, "max", now_alone, create=True), patch.object(Machine, "feed", feed):
        yield


RACE_BUGS: dict[str, RaceBug] = {
    "dedupe forgotten at snapshot": RaceBug(dedupe_forgotten_at_snapshot, "applied twice"),
    "child outcome lost": RaceBug(child_outcome_lost, "is stuck"),
    "at-most-once re-run at recovery": RaceBug(begun_again_at_recovery, "at most once"),
    "wrong generation": RaceBug(wrong_generation, "is wanted twice"),
    "cancel ignored while backing off": RaceBug(cancel_ignored_while_backing_off, "was cancelled (backing off: ['"),
    "approval decided twice": RaceBug(approval_decided_twice, "which has its outcome"),
    "timer early after a backward clock jump": RaceBug(timer_early_after_a_backward_jump, "too early by the time of the log"),
}
