"""A run in memory: its facts, its machine, and when it next moves by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop

from ...eventlog.codec import Event
from ...eventlog.streams import parts_of
from . import events as ev
from .driver import Machine
from .state import RunState

NEVER = 1 << 62


class Run:
    """A run in memory: its facts, and beside them what can be built from them at any time."""

    __slots__ = ("coming", "dues", "facts", "fresh", "machine", "stream")

    def __init__(self, stream: str, facts: RunState) -> None:
        self.stream = stream
        self.facts = facts
        self.machine: Machine | None = None
        self.fresh = True
        """Nothing of it is in the log yet."""
        self.dues: list[tuple[int, str]] = [(due, id) for id, due in facts.timers.items()]
        """A heap of the timers; stale entries are dropped when they surface."""
        heapify(self.dues)
        self.coming: deque[Event] = deque()
        """Events decided together: each is recorded when the code has answered the one before, as the script counts arrivals one by one."""

    @property
    def id(self) -> str:
        return parts_of(self.stream)[2]

    def next_timer(self) -> int:
        """When the next timer is due; NEVER where none is set."""
        dues, timers = self.dues, self.facts.timers
        while dues:
            due, id = dues[0]
            if timers.get(id) == due:
                return due
            heappop(dues)
        return NEVER

    def next_coming(self) -> Sequence[Event]:
        """The next of the events decided together; a timer that is no longer wanted does not fire."""
        while self.coming:
            event = self.coming.popleft()
            if not isinstance(event, ev.TimerFired) or event.id in self.facts.timers:
                return (event,)
        return ()

    def next_due(self) -> int | None:
        """When the run next moves by itself: the next timer or the next attempt of a step."""
        due = min(self.next_timer(), *self.facts.retries.values(), NEVER)
        return None if due == NEVER else due
