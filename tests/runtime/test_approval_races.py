"""Approvals under a race: whoever says what in whatever order, there is one decision, and it is one that the policy allows.

A small model, written apart from the product, says for each wish what has to come of it.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from perdure import Refused
from perdure.eventlog.codec import Event
from perdure.runtime.authoring.policies import Stage, Terms
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import decide
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState

PEOPLE = ("ann", "ben", "cid", "dot", "eve")
ROLES = ("clerk", "owner", "board")
WORDS: list[Any] = ["approved", "approved", "approved", "approved", "rejected"]
SEEDS = range(1500)


class Model:
    """Who has said yes, and what was decided."""

    def __init__(self, terms: Terms | None, expires: int | None, starter: str) -> None:
        self.terms, self.expires, self.starter = terms, expires, starter
        self.voices: list[str] = []
        self.decided = ""

    def expects(self, wish: cmd.Decide, now: int) -> str:
        """"refused", "given", "approved" or "rejected"."""
        if self.decided or (self.expires is not None and now >= self.expires) or not self._may(wish, now):
            return "refused"
        if wish.outcome == "rejected":
            return "rejected"
        return "approved" if len(self.voices) + 1 >= (self.terms.quorum if self.terms else 1) else "given"

    def _may(self, wish: cmd.Decide, now: int) -> bool:
        terms = self.terms
        if terms is None:
            return not wish.named
        users, roles = set(terms.users), set(terms.roles)
        anybody = not users and not roles
        for stage in terms.stages:
            if now >= stage.after:
                users, roles = users | set(stage.users), roles | set(stage.roles)
        if wish.by in self.voices or (wish.by == self.starter and not terms.starter_may):
            return False
        return wish.by in users or bool(roles & set(wish.roles)) or (anybody and not wish.named)


def terms_by(dice: Random) -> Terms | None:
    if dice.random() < 0.15:
        return None

    def some(names: tuple[str, ...], most: int) -> tuple[str, ...]:
        return tuple(dice.sample(names, dice.randint(0, most)))

    times = sorted(dice.sample(range(1, 20), dice.randint(0, 2)))
    stages = tuple(Stage(after, some(PEOPLE, 2), some(ROLES, 1)) for after in times)
    return Terms(some(PEOPLE, 3), some(ROLES, 2), dice.randint(1, 3), dice.random() < 0.3, stages)


def play(seed: int) -> str:
    """One life of an approval; how it ended."""
    dice = Random(seed)
    terms, expires, starter = terms_by(dice), dice.choice([None, 20, 25]), dice.choice(["", "ann"])
    state = evolve(RunState(), ev.RunStarted("asks", 1, Raw(b"[]"), 1, by=starter), 0)
    state = evolve(state, ev.ApprovalRequested("0", "pay", Raw(b"null"), "d", expires, terms), 0)
    model, said, now = Model(terms, expires, starter), dict[str, Any](), 0
    for number in range(25):
        now += dice.randint(0, 3)
        wish: Any = cmd.Wake()
        if dice.random() < 0.75:
            roles = tuple(role for role in ROLES if dice.random() < 0.3)
            wish = cmd.Decide("pay", dice.choice(WORDS), dice.choice(PEOPLE), "", "d", "", f"c-{number}", roles,
                              dice.random() < 0.2)  # fmt: skip
            wish = said.get(dice.choice([*said, ""]), wish) if said and dice.random() < 0.2 else wish
        state = _judged(model, state, wish, said, now)
    return model.decided or "open"


def outcome_of(event: Event) -> str:
    return event.outcome if isinstance(event, ev.ApprovalDecided) else "given"


def _judged(model: Model, state: RunState, wish: Any, said: dict[str, Any], now: int) -> RunState:
    repeat = isinstance(wish, cmd.Decide) and wish.command in said
    expected = "nothing" if repeat else model.expects(wish, now) if isinstance(wish, cmd.Decide) else ""
    try:
        decided = list(decide(state, wish, now))
    except Refused:
        assert expected == "refused", (wish, expected)
        return state
    for event in decided:
        state = evolve(state, event, now)
    told = [event for event in decided if not isinstance(event, ev.ApprovalEscalated)]
    if isinstance(wish, cmd.Wake):
        due = not model.decided and model.expires is not None and now >= model.expires
        assert told == ([ev.ApprovalDecided("0", "expired")] if due else []), told
        model.decided = "expired" if due else model.decided
        return state
    found = outcome_of(told[0]) if told else "nothing"
    assert (found, len(told)) == (expected, 0 if repeat else 1), (wish, expected)
    said[wish.command] = wish
    if found in ("given", "approved"):
        model.voices.append(wish.by)
    model.decided = found if found in ("approved", "rejected") else model.decided
    return state


def test_whoever_says_what_in_whatever_order_one_decision_counts_and_it_is_one_that_the_policy_allows() -> None:
    ends = [play(seed) for seed in SEEDS]

    assert all(ends.count(end) > 20 for end in ("approved", "rejected", "expired", "open")), {end: ends.count(end) for end in set(ends)}


@pytest.mark.parametrize("blind", ["quorum", "starter_may", "users"])
def test_the_model_sees_a_policy_that_is_not_kept(blind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of another policy than the decider is, and has to notice."""
    other: Any = {"quorum": 1, "starter_may": True, "users": PEOPLE}[blind]
    real = Model.__init__

    def init(self: Model, terms: Terms | None, expires: int | None, starter: str) -> None:
        real(self, None if terms is None else replace(terms, **{blind: other}), expires, starter)

    monkeypatch.setattr(Model, "__init__", init)
    with pytest.raises(AssertionError):
        _ = [play(seed) for seed in SEEDS]
