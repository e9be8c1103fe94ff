"""Policies of approvals: who may decide, how many it takes, who else may as time goes by, and what it means that nobody did.

An author writes an `ApprovalPolicy`; the log keeps its `Terms`, so that a decision is judged by what was asked, not by today's code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from ...eventlog.errors import Invalid
from .given import many, must_be
from .retry import microseconds

AtEnd: TypeAlias = Literal["expire", "reject", "fail"]
"""What the code is given when the time is up: "expired", "rejected", or ApprovalExpired."""

KNOWN: Mapping[str, AtEnd] = {word: word for word in get_args(AtEnd)}
"""The very words: a default is left out of the log where it is the same object, and only then."""

NAMES_MAX = 100
NAME_MAX = 200
QUORUM_MAX = 100
STAGES_MAX = 10


class Escalation(Struct, frozen=True, kw_only=True):
    """From `after` on, counted from when it was asked, these may decide as well."""

    after: timedelta
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class ApprovalPolicy(Struct, frozen=True, kw_only=True):
    """Who may decide an approval, and how.

    `users` and `roles`: who may; anybody, where both are empty. `quorum`: so many different people must approve; one who rejects is
    enough to reject. `starter_may`: whether who started the run may decide, too. `escalation`: who else may, and from when on.
    `at_end`: what the code is given when the time is up: the outcome "expired", or "rejected", or ApprovalExpired is raised.
    """

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    quorum: int = 1
    starter_may: bool = False
    escalation: tuple[Escalation, ...] = ()
    at_end: AtEnd = "expire"


class Stage(Struct, frozen=True, omit_defaults=True):
    """An escalation as the log keeps it; `after` in microseconds since it was asked."""

    after: int
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Terms(Struct, frozen=True, omit_defaults=True):
    """A policy as the log keeps it."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    quorum: int = 1
    starter_may: bool = False
    stages: tuple[Stage, ...] = ()
    at_end: AtEnd = "expire"


def terms_of(policy: ApprovalPolicy, timeout: timedelta | None, who: str) -> Terms:
    """The terms of a policy; Invalid where nobody could ever meet them."""
    must_be(policy, ApprovalPolicy, who, "policy", "an ApprovalPolicy", such_as="policy=ApprovalPolicy(roles=('finance',))")
    must_be(policy.quorum, int, who, "quorum", "a number of people", such_as="quorum=2")
    escalation = many(policy.escalation, Escalation, who, "escalation", "write escalation=(Escalation(after=timedelta(hours=4), …),)")
    stages = tuple(Stage(microseconds(one.after, who, "after"), _names(one.users, who), _names(one.roles, who)) for one in escalation)
    at_end = KNOWN.get(policy.at_end)
    if at_end is None or (at_end != "expire" and timeout is None):
        raise _unmeetable(who, "at_end", "expire; or reject or fail, where there is a timeout", repr(policy.at_end),
                          "give it a timeout, or leave at_end out")
    terms = Terms(_names(policy.users, who), _names(policy.roles, who), policy.quorum, policy.starter_may, stages, at_end)
    named = {*terms.users, *(user for stage in stages for user in stage.users)}
    open_ended = not (terms.users or terms.roles) or any((terms.roles, *(stage.roles for stage in stages)))
    if not 1 <= terms.quorum <= QUORUM_MAX or (not open_ended and len(named) < terms.quorum):
        most = QUORUM_MAX if open_ended else len(named)
        raise _unmeetable(who, "quorum", f"1 to {most}, as many people as may decide", str(terms.quorum), "ask fewer, or name more people")
    _must_come_in_time(stages, timeout, who)
    return terms


def _must_come_in_time(stages: Sequence[Stage], timeout: timedelta | None, who: str) -> None:
    times = [0, *(stage.after for stage in stages)]
    rising = all(earlier < later for earlier, later in pairwise(times))
    if not rising or len(stages) > STAGES_MAX or (timeout is not None and times[-1] >= microseconds(timeout)):
        raise _unmeetable(who, "escalation", f"at most {STAGES_MAX}, each later than the one before, all before the timeout",
                          ", ".join(f"{after / 1e6:g} s" for after in times[1:]), "order them by time, and give the last some time, too")
    if any(not (stage.users or stage.roles) for stage in stages):
        raise _unmeetable(who, "escalation", "users or roles", "neither", "say to whom it escalates")


def _names(names: Sequence[str], who: str) -> tuple[str, ...]:
    given: object = names
    if isinstance(given, str) or len(names) > NAMES_MAX or not all(0 < len(name.strip()) <= NAME_MAX for name in names):
        raise _unmeetable(who, "users, roles", f"at most {NAMES_MAX} names of 1 to {NAME_MAX} characters, in a tuple", repr(names)[:80],
                          "name users as doors know them, and roles as they are called")
    return tuple(dict.fromkeys(names))


def _unmeetable(who: str, where: str, expected: str, found: str, instead: str) -> Invalid:
    return Invalid("a policy like this could not be met", who=who, where=where, expected=expected, found=found, instead=instead)
