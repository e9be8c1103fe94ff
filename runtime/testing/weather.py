"""Weather: which faults a simulated world has, how often, and until when. Pure data, drawn from a seed or written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from msgspec import Struct

from ...eventlog.faults import Dice, What

LOG_RATES: Mapping[What, tuple[float, float]] = {
    "crash_before": (0.004, 0.04),
    "crash_after": (0.004, 0.04),
    "torn_tail": (0.05, 0.5),
    "lost_reply": (0.01, 0.15),
    "refusal": (0.01, 0.1),
    "conflict": (0.01, 0.15),
    "slow_before": (0.02, 0.2),
    "slow_after": (0.02, 0.2),
}
"""Faults of an append, and the least and the greatest rate with which a world has them, if it has them at all."""

NODE_RATES: Mapping[str, tuple[float, float]] = {
    "crash": (0.01, 0.15),
    "stop": (0.01, 0.08),
    "pause": (0.02, 0.15),
    "jump": (0.02, 0.2),
    "usurp": (0.02, 3.0),
    "handover": (0.02, 1.0),
}
"""Faults of a whole node, per second of the world's time."""


class Weather(Struct, frozen=True):
    """`log`: rates per append; `nodes`: rates per second; both end after `seconds`."""

    log: dict[What, float] = {}
    nodes: dict[str, float] = {}
    unreadable: float = 0.0
    lost_answers: float = 0.0
    astray: float = 0.0
    """Requests that go to a node that does not own the run."""
    seconds: float = 0.0
    slowness: float = 1.0
    skew: float = 0.0
    """Seconds by which the clocks of the nodes differ at most."""

    @classmethod
    def swarm(cls, dice: Random) -> Weather:
        """A choice of faults: each world has some and lacks others, because a fault that never rests hides what others would show."""
        log: dict[What, float] = {what: _between(dice, rates) for what, rates in LOG_RATES.items() if dice.random() < 0.5}
        if "torn_tail" in log:
            log["slow_before"] = 0.6  # only a slow log has batches, and only a batch can be torn
        return cls(
            log=log,
            nodes={what: _between(dice, rates) for what, rates in NODE_RATES.items() if dice.random() < 0.5},
            unreadable=dice.random() * 0.1 if dice.random() < 0.4 else 0.0,
            lost_answers=dice.random() * 0.2 if dice.random() < 0.5 else 0.0,
            astray=dice.random() * 0.2 if dice.random() < 0.5 else 0.0,
            seconds=10 + dice.random() * 50,
            slowness=10 ** (dice.random() * 3 - 2),
            skew=dice.choice((0.0, 0.0, 0.5, 20.0)),
        )

    def plan(self, dice: Random) -> Dice:
        """The faults of one node's log."""
        return Dice(dice, self.log, unreadable=self.unreadable, longest=self.slowness)


def _between(dice: Random, rates: tuple[float, float]) -> float:
    least, greatest = rates
    return float(least * (greatest / least) ** dice.random())
