"""Policies for the approvals of random programs: in half of the worlds, so that the histories of the others stay as they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from perdure import ApprovalPolicy, Escalation
from perdure.runtime.testing.loop import stream_of_chance

if TYPE_CHECKING:
    from tests.sim.programs import Part

PEOPLE: Mapping[str, tuple[str, ...]] = {"Ada": (), "Bob": ("clerk",), "Cyd": ("clerk", "owner"), "Dan": ("owner",)}
"""Who decides, and in which roles."""

ROLES: Sequence[str] = ("clerk", "owner")
STARTER = "Ada"


def has_policies(seed: int) -> bool:
    """Whether the people of this world decide by policies."""
    return stream_of_chance(seed, "policies").random() < 0.5


def with_policies(program: Part, dice: Random, starter: str) -> Part:
    """The program, in which most approvals have a policy; and one that its client is sure to be asked."""
    if program[0] == "seq":
        program = [*program, ["ask", "ship", round(20_000 ** dice.random()) if dice.random() < 0.5 else 0, "q0"]]
    return _changed(program, dice, starter)


def _changed(part: Part, dice: Random, starter: str) -> Part:
    if part[0] == "ask" and dice.random() < 0.8:
        return [*part, made(dice, part[2], starter)]
    return [_changed(one, dice, starter) if isinstance(one, list) else one for one in part]  # pyright: ignore[reportUnknownArgumentType]


def made(dice: Random, millis: int, starter: str) -> dict[str, Any]:
    """A policy as a program holds it, one that those who are there can meet, unless its time is up before."""
    users, roles = _some(dice)
    times = sorted({round(millis * dice.random()) if millis else dice.randrange(1, 15_000) for _ in range(dice.choice((0, 0, 1, 2)))})
    stages = [[after, *(_some(dice, least=1))] for after in times if after > 0 and (not millis or after < millis)]
    policy: dict[str, Any] = {"users": users, "roles": roles, "stages": stages, "starter_may": dice.random() < 0.3}
    may = [name for name in PEOPLE if may_ever(policy, name, starter)]
    if not may:
        policy |= {"users": [], "roles": []}
        may = [name for name in PEOPLE if may_ever(policy, name, starter)]
    policy["quorum"] = dice.randint(1, min(3, len(may)))
    policy["at_end"] = dice.choice(("expire", "reject", "fail")) if millis else "expire"
    return policy


def may_ever(policy: Mapping[str, Any], name: str, starter: str) -> bool:
    """Whether somebody may decide once all stages have come."""
    if name == starter and not policy["starter_may"]:
        return False
    groups = [(policy["users"], policy["roles"]), *((users, roles) for _, users, roles in policy["stages"])]
    anybody = not policy["users"] and not policy["roles"]
    return anybody or any(name in users or set(roles) & set(PEOPLE[name]) for users, roles in groups)


def _some(dice: Random, least: int = 0) -> tuple[list[str], list[str]]:
    users, roles = dice.sample(sorted(PEOPLE), dice.randint(least, 2)), dice.sample(ROLES, dice.randint(0, 1))
    return users, roles


def policy_of(made: Mapping[str, Any]) -> ApprovalPolicy:
    """The same as an author writes it."""
    stages = tuple(
        Escalation(after=timedelta(milliseconds=after), users=tuple(users), roles=tuple(roles)) for after, users, roles in made["stages"]
    )
    return ApprovalPolicy(users=tuple(made["users"]), roles=tuple(made["roles"]), quorum=made["quorum"], starter_may=made["starter_may"],
                          escalation=stages, at_end=made["at_end"])
