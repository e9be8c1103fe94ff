"""A run in memory: its facts, its machine, and when it next moves by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from msgspec import Struct, field

from ...eventlog.codec import Event
from ...eventlog.streams import unescape
from . import events as ev
from .machine.driver import Machine
from .machine.replay import Revival
from .performing import Standing, standing_of
from .state import ENDED, NEVER, RunState

NO_MORE: deque[Event] = deque()

BEGINS_AGAIN = frozenset({ev.RunStarted, ev.RunDelayed, ev.Continued, ev.RetryRequested, ev.RunTerminated})

MAY_SET_A_TIME = frozenset({ev.TimerSet, ev.ApprovalRequested, ev.ApprovalEscalated})
"""So may a scheduled step; it is known by then that a run has steps with a deadline."""

WANTED: Mapping[type[Event], Callable[[RunState], Container[str]]] = {
    ev.TimerFired: lambda facts: facts.timers,
    ev.StepFailed: lambda facts: facts.steps,
    **dict.fromkeys((ev.ApprovalGiven, ev.ApprovalEscalated, ev.ApprovalDecided), lambda facts: facts.approvals),
}
"""Events about one thing, and where it stands as long as it is wanted."""


class Run(Struct, eq=False):
    """A run in memory: its facts, and beside them what can be built from them at any time."""

    stream: str
    facts: RunState
    machine: Machine | None = None
    revival: Revival | None = None
    """The machine on its way through the log, while large values are fetched for it."""
    fresh: bool = True
    """Nothing of what the code asks for in this generation is in the log yet."""
    stirred: bool = True
    """It is not known to be plain, or got more since than completed steps, each followed by the next of its branch."""
    lines: list[Any] = field(default_factory=list)
    """Log records of the code, to be emitted when the turn is durable."""
    leftover: list[str] = field(default_factory=list)
    """What an earlier machine still waited for when another took its place, not yet taken to be cancelled."""
    replaced: Standing | None = None
    """How the run was terminated: another may take its place, under its id, in the same turn."""
    coming: deque[Event] = NO_MORE
    """Events decided together: each is recorded when the code has answered the one before, as the script counts arrivals one by one."""
    dues: list[tuple[int, str]] = field(default_factory=list)
    """A heap of the timers and the deadlines of steps; stale entries are dropped when they surface."""

    @property
    def id(self) -> str:
        return unescape(self.stream.rpartition("/")[2])

    def set_dues(self) -> None:
        """Take the timers and the deadlines of steps as the facts know them."""
        facts = self.facts
        self.dues = [(due, id) for many in (facts.timers, facts.step_deadlines) for id, due in many.items()]
        heapify(self.dues)

    def note_time(self, event: Event) -> None:
        """An event may have set a time: of a timer, of the end of a step, or when an approval escalates or expires."""
        if isinstance(event, ev.TimerSet) or (isinstance(event, ev.StepScheduled) and event.due):
            heappush(self.dues, (event.due, event.id))
        elif isinstance(event, (ev.ApprovalRequested, ev.ApprovalEscalated)) and event.id in self.facts.timers:
            heappush(self.dues, (self.facts.timers[event.id], event.id))

    def drop_machine(self) -> None:
        """The machine has had its time: what it still waits for is to be cancelled."""
        if self.revival is not None:
            self.revival.machine.close()
            self.revival = None
        if self.machine is not None:
            self.leftover += [*self.machine.waits, *self.machine.dropped]
            self.machine.close()
            self.machine = None

    def begin_again(self, event: Event) -> None:
        """Another generation, or the same one from an earlier place: the machine of before has had its time."""
        if self.facts.length == 1:
            return  # there was none before
        if isinstance(event, ev.RunTerminated):
            self.replaced = standing_of(self.facts, self.facts.length)
            return
        self.drop_machine()
        self.set_dues()
        self.fresh = not isinstance(event, ev.RetryRequested)

    def is_plain(self) -> bool:
        """Whether the code stands ready to take the outcome of any open step, and nothing but outcomes is to be looked at for that."""
        facts, machine = self.facts, self.machine
        if machine is None or machine.conditions or self.coming or facts.retries or facts.deferred or facts.step_deadlines or facts.retried:
            return False
        return facts.phase == "running" and machine.fed == len(facts.arrivals)

    def next_timer(self) -> int:
        """When the next timer or deadline is due; NEVER where none is set."""
        dues, timers, limits = self.dues, self.facts.timers, self.facts.step_deadlines
        while dues:
            due, id = dues[0]
            if timers.get(id) == due or limits.get(id) == due:
                return due
            heappop(dues)
        return NEVER

    def next_coming(self) -> Sequence[Event]:
        """The next of the events decided together; what is no longer wanted neither fires, fails nor expires."""
        facts = self.facts
        while self.coming:
            event = self.coming.popleft()
            if facts.ended and not isinstance(event, ev.RunStarted | ev.RunDelayed | ev.Unwatched | ev.EndAnnounced):
                continue  # the event before it ended the run: only another beginning may follow, or that somebody knows of the end
            wanted = WANTED.get(type(event))
            if wanted is None or getattr(event, "id", "") in wanted(facts):
                return (event,)
        return ()

    def next_due(self) -> int | None:
        """When the run next moves by itself: the next timer, the next attempt of a step, its beginning or a deadline."""
        facts, due = self.facts, NEVER
        if facts.away or facts.phase in ENDED:
            return None
        if facts.goes_on:
            return 0
        if facts.phase == "running":
            due = min(self.next_timer(), *facts.retries.values(), NEVER)
        elif facts.phase == "delayed":
            due = facts.start_at
        if facts.deadline and not facts.frozen_at:
            due = min(due, facts.deadline)
        return None if due == NEVER else due

    def waits_for_a_build(self) -> bool:
        """Whether its code disagrees with its log: each node looks once whether its own does, too."""
        return self.facts.phase == "suspended" and not self.facts.away

    def has_steps_under_way(self) -> bool:
        """Whether an attempt is, or should be, in flight; a run that stands still begins none."""
        facts = self.facts
        waiting = len(facts.retries) + len(facts.deferred)
        if facts.phase == "paused":
            waiting += len(facts.steps) - waiting if self.machine is None else len(self.machine.fresh)
        return len(facts.steps) > waiting
