"""The decider of limits: who gets a slot, who waits, and what becomes of both."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from perdure.runtime.kinds.limit import (
    LEASE,
    Acquired,
    Asker,
    Asking,
    Attended,
    Bounded,
    Expired,
    Limits,
    Queued,
    Released,
    Report,
    Said,
    State,
)
from perdure.runtime.run.commands import Wake
from perdure.testing import given

LIMIT = Limits(lambda stream, state: None, lambda stream, due: None)
TWO = (2, 0, 0)
FULL = [Bounded(*TWO), Attended("n", LEASE), Queued("a", "n", 1), Acquired("a", "n", 1), Queued("b", "n", 2), Acquired("b", "n", 2)]
A, B, C = (Asking(number, holder) for number, holder in ((1, "a"), (2, "b"), (3, "c")))


def test_who_asks_gets_a_slot_and_the_node_a_lease() -> None:
    given(LIMIT, now=7).when(Report("n", TWO, (A,))).then(
        [Bounded(*TWO), Attended("n", 7 + LEASE), Queued("a", "n", 1), Acquired("a", "n", 1)]
    )


def test_who_comes_when_all_slots_are_held_waits() -> None:
    given(LIMIT, FULL).when(Report("n", TWO, (C,))).then([Queued("c", "n", 3)])


def test_a_slot_that_is_given_back_goes_to_who_came_first() -> None:
    waiting = [*FULL, Queued("c", "n", 3), Queued("d", "n", 4)]

    given(LIMIT, waiting).when(Report("n", TWO, ended=(A,))).then([Released("a"), Acquired("c", "n", 3)])


def test_asked_again_it_changes_nothing() -> None:
    given(LIMIT, [*FULL, Queued("c", "n", 3)]).when(Report("n", TWO, (A, B, C))).then_nothing()
    given(LIMIT, FULL).when(Report("n", TWO, ended=(C, Asking(9, "a")))).then_nothing()


def test_the_next_owner_of_an_attempt_gets_its_slot_before_all_who_wait() -> None:
    known = [*FULL, Attended("m", LEASE), Queued("c", "n", 3)]

    given(LIMIT, known).when(Report("m", TWO, (Asking(1, "a"),))).then(
        [Released("a"), Queued("a", "m", 1, first=True), Acquired("a", "m", 1)]
    )


def test_the_next_owner_of_an_attempt_that_waits_waits_at_its_place() -> None:
    moved = given(LIMIT, [*FULL, Attended("m", LEASE), Queued("c", "n", 3), Queued("d", "n", 4), Queued("c", "m", 1)])

    assert list(moved.state().queue.items()) == [("c", Asker("m", 1)), ("d", Asker("n", 4))]


def test_a_silent_node_loses_its_slots_when_its_lease_ends() -> None:
    waiting = [*FULL, Attended("m", 2 * LEASE), Queued("c", "m", 1), Queued("d", "n", 4)]

    given(LIMIT, waiting, now=LEASE - 1).when(Wake()).then_nothing()
    given(LIMIT, waiting, now=LEASE).when(Wake()).then([Expired("n"), Acquired("c", "m", 1)])


def test_a_whole_report_renews_the_lease_and_gives_back_what_it_does_not_name() -> None:
    given(LIMIT, FULL, now=LEASE // 2).when(Report("n", TWO, (A,), whole=True)).then([Attended("n", LEASE // 2 + LEASE), Released("b")])
    given(LIMIT, FULL, now=1).when(Report("n", TWO, (A, B), whole=True)).then_nothing()


def test_a_rate_gives_no_more_within_its_time() -> None:
    bounds = (0, 2, 1000)
    begun = [Bounded(*bounds), Attended("n", LEASE), *(Acquired(holder, "n", number) for number, holder in enumerate("xy"))]

    given(LIMIT, begun, now=0).when(Report("n", bounds, (C,))).then([Queued("c", "n", 3)])
    given(LIMIT, [*begun, Queued("c", "n", 3)], now=0).when(Wake()).then_nothing()
    assert given(LIMIT, [*begun, Queued("c", "n", 3)], now=5).state().due() == 1005
    late = State(bounds, {"n": LEASE}, {}, {"c": Asker("n", 3)}, [0, 0])
    assert LIMIT.react(late, 999) == []
    assert LIMIT.react(late, 1000) == [Acquired("c", "n", 3)]


def test_fewer_slots_take_none_away_and_give_none_until_enough_are_back() -> None:
    given(LIMIT, FULL).when(Report("n", (1, 0, 0), (C,))).then([Bounded(1, 0, 0), Queued("c", "n", 3)])
    less = [*FULL, Bounded(1, 0, 0), Queued("c", "n", 3)]
    given(LIMIT, less).when(Report("n", (1, 0, 0), ended=(A,))).then([Released("a")])


def test_its_head_wakes_it_at_the_next_lease_or_the_next_beginning() -> None:
    free, held = given(LIMIT).state(), given(LIMIT, FULL).state()

    assert (head := LIMIT.head(held, None)) is not None
    assert (head.status, head.wake_at) == ("held", LEASE)
    assert LIMIT.head(held, head) is head
    assert (head := LIMIT.head(free, None)) is not None
    assert (head.status, head.wake_at) == ("free", None)
    assert LIMIT.idle(free)
    assert not LIMIT.idle(held)


class Play:
    """Two nodes that ask, end and repeat themselves as the dice fall, and what their limit said to it."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(f"limit {seed}")
        self.bounds = dice.choice([(2, 0, 0), (0, 3, 50), (3, 2, 40)])
        self.state, self.now, self.number = LIMIT.initial("limit/test/x"), 0, 0
        self.alive: dict[str, dict[int, Asking]] = {"n": {}, "m": {}}
        self.asked: list[str] = []
        self.served: list[tuple[str, int]] = []

    def report(self) -> Report:
        dice, node = self.dice, self.dice.choice("nm")
        mine = self.alive[node]
        wants: tuple[Asking, ...] = ()
        ended: tuple[Asking, ...] = ()
        if dice.random() < 0.6:
            self.number += 1
            asking = Asking(self.number, f"h{self.number}")
            mine[self.number] = asking
            self.asked.append(asking.holder)
            wants = (asking,)
        elif mine:
            ended = (mine.pop(next(iter(mine)) if dice.random() < 0.7 else dice.choice(list(mine))),)
        whole = dice.random() < 0.2
        return Report(node, self.bounds, tuple(mine.values()) if whole else wants, ended, whole)

    def hear(self, command: Report | Wake) -> None:
        """All that follows from the command, and what must hold after each event of it."""
        decided: Sequence[Said] = LIMIT.decide(self.state, command, self.now)
        while decided:
            for event in decided:
                self.state = LIMIT.evolve(self.state, event, self.now)
                assert not self.bounds[0] or len(self.state.held) <= self.bounds[0]
                if isinstance(event, Acquired):
                    self.served.append((event.holder, self.now))
            decided = LIMIT.react(self.state, self.now)


@pytest.mark.parametrize("part", range(10))
def test_first_in_first_out_and_never_too_many_over_a_thousand_seeds(part: int) -> None:
    for seed in range(100 * part, 100 * part + 100):
        play = Play(seed)
        for _ in range(60):
            play.now += play.dice.randrange(20)
            report = play.report()
            for command in (report, report, Wake())[: play.dice.randrange(1, 4)]:
                play.hear(command)
        holders, times = [holder for holder, _ in play.served], [at for _, at in play.served]
        _, rate, per = play.bounds
        assert holders == [holder for holder in play.asked if holder in holders], f"seed {seed}: out of order"
        assert not rate or all(late - early >= per for early, late in zip(times, times[rate:], strict=False)), f"seed {seed}: too often"
