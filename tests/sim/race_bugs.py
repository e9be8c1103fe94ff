"""Planted bugs that only racing wishes betray: each turns one guard of the real code off, and with it the guard that would hide it.

Beside each stands a word of what must be found: another violation than that of its own promise does not count.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from perdure.actors import judging
from perdure.eventlog.codec import Event
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import electing
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import DECIDE, control
from perdure.runtime.run.decide import approvals as deciding_approvals
from perdure.runtime.run.electing import Electorate, Standing
from perdure.runtime.run.evolve import EVOLVE
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import driver
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import Asked, RunState
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


@contextmanager
def voice_counted_twice() -> Generator[None]:
    """Who says yes again, because the answer was lost on its way, is heard again: the command is not known, nor who has approved."""

    def unknown(state: RunState, command: str) -> bool:
        return False

    real = electing.standing_in

    def standing_in(electorate: Electorate, by: str, roles: Sequence[str], now: int, *, named: bool = False) -> Standing:
        return real(electorate._replace(approved=()), by, roles, now, named=named)

    with patch.object(deciding_approvals, "repeated", unknown), patch.object(deciding_approvals, "standing_in", standing_in):
        yield


@contextmanager
def quorum_one_short() -> Generator[None]:
    """The last but one who approves decides."""
    real = DECIDE[cmd.Decide]

    def decided(state: RunState, command: cmd.Decide, now: int) -> Sequence[Event]:
        events = real(state, command, now)
        if not events or not isinstance(given := events[-1], ev.ApprovalGiven):
            return events
        asked = state.approvals[given.id]
        is_last_but_one = asked.terms is not None and len(asked.given) + 2 == asked.terms.quorum
        decision = ev.ApprovalDecided(given.id, "approved", given.by, given.why, given.command, given.role)
        return [*events[:-1], decision] if is_last_but_one else events

    with patch.dict(DECIDE, {cmd.Decide: decided}):
        yield


@contextmanager
def escalated_too_early() -> Generator[None]:
    """Whoever looks at the clock for what has become of an approval looks two seconds ahead."""
    real = deciding_approvals.overtaken

    def overtaken(id: str, asked: Asked, now: int) -> list[tuple[int, Event]]:
        ahead = real(id, asked, now + 2_000_000)
        return [(at, event) for at, event in ahead if isinstance(event, ev.ApprovalEscalated) or at <= now]

    with patch.object(deciding_approvals, "overtaken", overtaken), patch.object(control, "overtaken", overtaken):
        yield


RACE_BUGS: dict[str, RaceBug] = {
    "dedupe forgotten at snapshot": RaceBug(dedupe_forgotten_at_snapshot, "applied twice"),
    "child outcome lost": RaceBug(child_outcome_lost, "is stuck"),
    "at-most-once re-run at recovery": RaceBug(begun_again_at_recovery, "at most once"),
    "wrong generation": RaceBug(wrong_generation, "is wanted twice"),
    "cancel ignored while backing off": RaceBug(cancel_ignored_while_backing_off, "was cancelled (backing off: ['"),
    "approval decided twice": RaceBug(approval_decided_twice, "which has its outcome"),
    "voice counted twice": RaceBug(voice_counted_twice, "counts twice"),
    "quorum one short": RaceBug(quorum_one_short, "and takes"),
    "escalated too early": RaceBug(escalated_too_early, "before its time"),
    "timer early after a backward clock jump": RaceBug(timer_early_after_a_backward_jump, "too early by the time of the log"),
}
