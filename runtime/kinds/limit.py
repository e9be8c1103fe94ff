"""Limits: the kind of actor that knows who holds a slot of a limit, who waits for one, and how often one was given lately.

Each node speaks for its attempts with one command, `Report`, which it may repeat as often as it likes. What a node holds and
waits for is good until its lease ends; a report that is whole renews the lease, and gives back what it does not name. So
neither a lost answer nor a dead node keeps a slot for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec import Struct, field

from ...actors.kind import Kind
from ...eventlog.codec import Event
from ...eventlog.records import Head
from ..run.commands import Wake

LEASE = 30_000_000
"""Microseconds for which a node that says nothing is taken to live."""


class Bounded(Event, frozen=True):
    """From now on there are so many slots, and so many may be given within `per` microseconds; 0 is no such bound."""

    concurrency: int
    rate: int
    per: int


class Attended(Event, frozen=True):
    """The node lives; its slots and places are good until then."""

    node: str
    until: int


class Queued(Event, frozen=True):
    """An attempt waits for a slot. `first`: in front of all others, because it had one on a node that no longer speaks for it."""

    holder: str
    node: str
    number: int
    first: bool = False


class Acquired(Event, frozen=True):
    """An attempt has a slot, and may begin."""

    holder: str
    node: str
    number: int


class Released(Event, frozen=True):
    """An attempt has no slot and waits for none any more."""

    holder: str


class Expired(Event, frozen=True):
    """The node was silent for too long: its slots and places are free."""

    node: str


class Asking(Struct, frozen=True, array_like=True):
    """One attempt that needs a slot: a number that its node gives only once, and the step of the run that it is of."""

    number: int
    holder: str


class Report(Struct, frozen=True):
    """What a node has to say. Answered with the numbers of its askings that have a slot."""

    node: str
    bounds: tuple[int, int, int]
    wants: tuple[Asking, ...] = ()
    ended: tuple[Asking, ...] = ()
    whole: bool = False
    """Whether `wants` is all that the node wants."""


class Asker(Struct, frozen=True, array_like=True):
    """Whose asking it is."""

    node: str
    number: int


class State(Struct):
    """The slots, those who wait for one in the order of asking, and when the last ones were given."""

    bounds: tuple[int, int, int] = (0, 0, 0)
    leases: dict[str, int] = field(default_factory=dict[str, int])
    held: dict[str, Asker] = field(default_factory=dict[str, Asker])
    queue: dict[str, Asker] = field(default_factory=dict[str, Asker])
    given: list[int] = field(default_factory=list[int])
    since: int = 0
    at: int = 0

    def allowed(self, now: int) -> int:
        """How many may be given a slot now."""
        slots, rate, per = self.bounds
        count = len(self.queue)
        if slots:
            count = min(count, slots - len(self.held))
        if rate:
            count = min(count, rate - (len(self.given) - bisect_right(self.given, now - per)))
        return max(0, count)

    def due(self) -> int | None:
        """When this moves by itself: a lease ends, or the rate allows another. None where nothing will."""
        if not (self.held or self.queue):
            return None
        slots, rate, per = self.bounds
        times = list(self.leases.values())
        if self.queue and len(self.given) >= rate > 0 and (not slots or len(self.held) < slots):
            times.append(self.given[-rate] + per)
        return min(times, default=None)


Said: TypeAlias = Bounded | Attended | Queued | Acquired | Released | Expired


class Limits(Kind[State, Report | Wake, Said]):
    """`given` is told of the slots of a stream whenever they may have changed, `wake_at` when the stream is to be woken."""

    name = "limit"

    def __init__(self, given: Callable[[str, State], None], wake_at: Callable[[str, int], None]) -> None:
        self._given = given
        self._wake_at = wake_at

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Report | Wake, now: int) -> Sequence[Said]:
        if isinstance(command, Wake):
            return self.react(state, now)
        released = dict.fromkeys(_released(state, command))
        return [*_renewed(state, command, now), *map(Released, released), *_asked(state, command, released)]

    def react(self, state: State, now: int) -> Sequence[Said]:
        """A slot goes to the first who waits; what a silent node had is free before that."""
        silent = [Expired(node) for node, until in state.leases.items() if until <= now]
        if silent:
            return silent
        return [Acquired(holder, asker.node, asker.number) for holder, asker in islice(state.queue.items(), state.allowed(now))]

    def evolve(self, state: State, event: Said, at: int) -> State:
        state.since = state.since or at
        state.at = at
        match event:
            case Bounded(slots, rate, per):
                state.bounds = slots, rate, per
            case Attended(node, until):
                state.leases[node] = until
            case Queued(holder, node, number, first):
                if first:
                    state.queue = {holder: Asker(node, number), **state.queue}
                else:
                    state.queue[holder] = Asker(node, number)
            case Acquired(holder, node, number):
                state.queue.pop(holder, None)
                state.held[holder] = Asker(node, number)
                state.given.append(at)
                del state.given[: -state.bounds[1] or None]  # no more than the rate has to remember
            case Released(holder):
                if state.held.pop(holder, None) is None:
                    state.queue.pop(holder, None)
            case Expired(node):
                del state.leases[node]
                state.held = {holder: asker for holder, asker in state.held.items() if asker.node != node}
                state.queue = {holder: asker for holder, asker in state.queue.items() if asker.node != node}
        return state

    def answer(self, state: State, command: Report | Wake) -> tuple[int, ...]:
        if isinstance(command, Wake):
            return ()
        return tuple(asker.number for asker in state.held.values() if asker.node == command.node)

    def head(self, state: State, old: Head | None) -> Head | None:
        status, wake_at = "held" if state.held or state.queue else "free", state.due()
        if old is not None and (old.status, old.wake_at) == (status, wake_at):
            return old
        return Head(status, wake_at, "limit", state.since, state.at)

    def perform(self, stream: str, state: State) -> None:
        self._given(stream, state)
        if (due := state.due()) is not None:
            self._wake_at(stream, due)

    def idle(self, state: State) -> bool:
        return not (state.held or state.queue)


def _renewed(state: State, report: Report, now: int) -> Iterator[Said]:
    if state.bounds != report.bounds:
        yield Bounded(*report.bounds)
    until = state.leases.get(report.node, 0)
    if until < now + (LEASE * 2 // 3 if report.whole else 1):
        yield Attended(report.node, now + LEASE)


def _released(state: State, report: Report) -> Iterator[str]:
    """Whose slots and places the node gives back."""
    for asking in report.ended:
        asker = Asker(report.node, asking.number)
        if asker in (state.held.get(asking.holder), state.queue.get(asking.holder)):
            yield asking.holder
    if report.whole:
        wanted = {asking.number for asking in report.wants}
        for askers in (state.held, state.queue):
            yield from (holder for holder, asker in askers.items() if asker.node == report.node and asker.number not in wanted)


def _asked(state: State, report: Report, released: dict[str, None]) -> Iterator[Said]:
    """What the node wants and has not asked for yet. Who takes an attempt over from another node takes its place or its turn."""
    for number, holder in ((asking.number, asking.holder) for asking in report.wants):
        asker = Asker(report.node, number)
        held = state.held.get(holder) if holder not in released else None
        if asker in (held, state.queue.get(holder)):
            continue
        if held is not None:
            yield Released(holder)
        yield Queued(holder, report.node, number, first=held is not None)
