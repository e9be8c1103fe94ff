"""Planted bugs: each turns one guard of the real code off, and with it the guard that would hide it. The simulation must find them all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from random import Random
from typing import Any
from unittest.mock import patch

from perdure.actors import passivating
from perdure.actors.dispatcher import Dispatcher
from perdure.actors.mailbox import Actor
from perdure.eventlog.codec import Event
from perdure.eventlog.errors import Conflict
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Append, Tail, sealed
from perdure.runtime.authoring.effects import SignalWait
from perdure.runtime.authoring.steps import Attempt
from perdure.runtime.perform.courier import Courier
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import errands, settling
from perdure.runtime.run import events as ev
from perdure.runtime.run.commands import Leave
from perdure.runtime.run.decide import DECIDE
from perdure.runtime.run.errands import Errand
from perdure.runtime.run.events import ChildEnded, Unwatched
from perdure.runtime.run.evolve import EVOLVE
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import signals
from perdure.runtime.run.machine.branches import Branch
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import NEVER, RunState

Planted = Callable[[], AbstractContextManager[Any]]


@contextmanager
def no_compare_and_append() -> Generator[None]:
    """The log puts every append behind what is there, whatever its writer had seen."""
    real = MemoryLog.append_one

    def append_one(self: MemoryLog, append: Append) -> Tail | Conflict:
        stream = self.streams.get(append.stream)
        found = stream[-1].tail if stream else EMPTY
        count = append.tail.version - append.expected.version
        return real(self, sealed(append.stream, found, append.data, count, append.head))

    with patch.object(MemoryLog, "append_one", append_one):
        yield


@contextmanager
def reply_before_durable() -> Generator[None]:
    """Answers go out as soon as they are decided."""
    real = Dispatcher._decide_all

    async def decide_all(self: Dispatcher, turn: list[Actor]) -> Any:
        decided = await real(self, turn)
        for actor in turn:
            for letter, value, error in actor.answers:
                if error is None:
                    letter.keep(value)
        return decided

    with patch.object(Dispatcher, "_decide_all", decide_all):
        yield


@contextmanager
def random_idempotency_key() -> Generator[None]:
    """Each attempt is told a key of its own."""
    dice = Random(1)
    with patch.object(Attempt, "idempotency_key", property(lambda self: f"{dice.getrandbits(128):x}")):
        yield


@contextmanager
def snapshot_of_tentative_state() -> Generator[None]:
    """An actor is taken for idle while what it has decided is not durable yet."""
    real = passivating._is_idle

    def is_idle(actor: Actor) -> bool:
        in_turn, actor.in_turn = actor.in_turn, False
        try:
            return real(actor)
        finally:
            actor.in_turn = in_turn

    with patch.object(passivating, "_is_idle", is_idle):
        yield


@contextmanager
def coroutine_kept_after_conflict() -> Generator[None]:
    """What was driven past an append that did not happen is taken up again instead of being driven from the log."""
    kept: dict[tuple[int, str], Machine] = {}
    real = Runs._machine

    def forget(self: Runs, stream: str, state: Run) -> None:
        if state.machine is not None:
            kept[id(self), stream] = state.machine
            state.machine = None

    def machine(self: Runs, run: Run, workflow: Any) -> Machine:
        return kept.pop((id(self), run.stream), None) or real(self, run, workflow)

    with patch.object(Runs, "forget", forget), patch.object(Runs, "_machine", machine):
        yield
    for left in kept.values():
        outside_loop(left.close)


@contextmanager
def retry_timer_lost_at_passivation() -> Generator[None]:
    """The pause before the next attempt is kept in memory alone; the head, which would bring it back, does not tell of it."""

    def next_due(self: Run) -> int | None:
        due = self.next_timer()
        return None if due == NEVER else due

    real = Runs.forget

    def forget(self: Runs, stream: str, state: Run) -> None:
        real(self, stream, state)
        performing: Any = self.performing
        waking: dict[str, int] = performing._alarm._set
        waking.pop(stream, None)

    with patch.object(Run, "next_due", next_due), patch.object(Runs, "forget", forget):
        yield


@contextmanager
def signal_eaten_by_a_loser() -> Generator[None]:
    """A branch that lost its race goes on listening, and what it hears is gone."""
    real = Machine.abandon

    def abandon(self: Machine, branch: Branch) -> bool:
        effect = branch.waiting
        found = real(self, branch)
        if isinstance(effect, SignalWait):
            self.listeners[effect.name][Branch("gone/", None, copy_context())] = effect
        return found

    with patch.object(Machine, "abandon", abandon):
        yield


@contextmanager
def signal_kept_by_a_loser() -> Generator[None]:
    """A branch that was handed a signal in the turn in which it lost its race does not give it back."""

    def give_back(machine: Machine, branch: Branch) -> bool:
        return False

    with patch.object(signals, "give_back", give_back):
        yield


@contextmanager
def begun_again_at_recovery() -> Generator[None]:
    """Whoever wants to begin an attempt that may be begun once is let, though somebody had begun it before."""

    def begin(state: RunState, command: cmd.Begin, now: int) -> tuple[Event, ...]:
        step = state.steps.get(command.id)
        return () if step is None else (ev.StepStarted(command.id, command.attempt, command.started, command.worker),)

    with patch.dict(DECIDE, {cmd.Begin: begin}):
        yield


@contextmanager
def approval_decided_twice() -> Generator[None]:
    """A decision leaves the approval open, so that another counts as well."""
    real = EVOLVE[ev.ApprovalDecided]

    def decided(state: RunState, event: ev.ApprovalDecided, at: int) -> None:
        asked = state.approvals.get(event.id)
        real(state, event, at)
        if asked is not None:
            state.approvals[event.id] = asked

    with patch.dict(EVOLVE, {ev.ApprovalDecided: decided}):
        yield


@contextmanager
def child_outcome_lost() -> Generator[None]:
    """A run that has ended takes those who wait for its end as told as soon as the telling is on its way."""
    real = Courier.send

    def send(self: Courier, errand: Errand) -> None:
        real(self, errand)
        if isinstance(errand.command, ChildEnded):
            self._post(errand.stream, Unwatched(errand.key))

    with patch.object(Courier, "send", send):
        yield


@contextmanager
def child_forgotten_by_its_parent() -> Generator[None]:
    """A parent has no errand to a child that it no longer wants."""
    real = errands.errands_of

    def without(stream: str, facts: RunState) -> Generator[Errand]:
        yield from (errand for errand in real(stream, facts) if not isinstance(errand.command, Leave))

    with patch.object(settling, "errands_of", without):
        yield


BUGS: dict[str, Planted] = {
    "no compare-and-append": no_compare_and_append,
    "reply before durable": reply_before_durable,
    "random idempotency key": random_idempotency_key,
    "snapshot of tentative state": snapshot_of_tentative_state,
    "coroutine kept after Conflict": coroutine_kept_after_conflict,
    "retry timer lost at passivation": retry_timer_lost_at_passivation,
    "signal eaten by a loser": signal_eaten_by_a_loser,
    "signal kept by a loser": signal_kept_by_a_loser,
    "child outcome lost": child_outcome_lost,
    "child forgotten by its parent": child_forgotten_by_its_parent,
    "approval decided twice": approval_decided_twice,
    "at-most-once re-run at recovery": begun_again_at_recovery,
}
