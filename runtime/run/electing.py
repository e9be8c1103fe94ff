"""Who may decide an approval: the same for the decider, which judges a decision, and for an inbox, which shows what one may decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from unicodedata import normalize

from .state import Asked


class Group(NamedTuple):
    """These may decide, from `since` on (in whatever unit who asks counts)."""

    since: Any
    users: Sequence[str]
    roles: Sequence[str]


class Electorate(NamedTuple):
    """All who may decide, now or later. A first group that names nobody is everybody."""

    groups: Sequence[Group]
    approved: Iterable[str] = ()
    """Who has, and may not again."""
    starter: str = ""
    """Who started the run, where that keeps them from deciding."""


class Standing(NamedTuple):
    """Whether somebody may decide: `why_not` is empty then; `role` is that by which they may, where they are not named."""

    why_not: str = ""
    role: str = ""


def electorate_of(asked: Asked, starter: str) -> Electorate:
    """Those of an approval, in microseconds since 1970."""
    terms = asked.terms
    if terms is None:
        return Electorate([Group(asked.at, (), ())])
    later = [Group(asked.at + stage.after, stage.users, stage.roles) for stage in terms.stages]
    groups = [Group(asked.at, terms.users, terms.roles), *later]
    return Electorate(groups, [given.by for given in asked.given], "" if terms.starter_may else starter)


def standing_in(electorate: Electorate, by: str, roles: Sequence[str], now: Any, *, named: bool = False) -> Standing:
    """Whether `by`, in these roles, may decide now; with `named` only where they, or a role of theirs, are named."""
    if any(same_person(by, other) for other in electorate.approved):
        return Standing(f"{by} has approved already, and counts once")
    if electorate.starter and same_person(by, electorate.starter):
        return Standing(f"{by} started the run, and may not decide for it")
    if (name := named_by(electorate, by, roles, now)) is not None:
        return Standing(role=name)
    if electorate.groups[0].users or electorate.groups[0].roles:
        in_roles = f"in a role of {', '.join(roles)}" if roles else "in no role"
        return Standing(f"{by}, {in_roles}")
    return Standing("nobody is named, and who decides may only where they are") if named else Standing()


def named_by(electorate: Electorate, by: str, roles: Sequence[str], now: Any) -> str | None:
    """The role by which they are named by now, empty where they are themselves; None where they are not."""
    first, *later = electorate.groups
    groups = [first, *(group for group in later if group.since <= now)]
    if any(by in group.users for group in groups):
        return ""
    return next((role for group in groups for role in group.roles if role in roles), None)


def who_may(electorate: Electorate, now: Any) -> str:
    """For an error: whom it takes."""
    groups = [group for group in electorate.groups if group.since <= now]
    users = ", ".join(user for group in groups for user in group.users)
    roles = ", ".join(role for group in groups for role in group.roles)
    named = " or ".join(part for part in (users, f"one in a role of {roles}" if roles else "") if part)
    but = [*electorate.approved, *([electorate.starter] if electorate.starter else [])]
    return (named or "anybody") + (f", but not {', '.join(but)}" if but else "")


def same_person(one: str, other: str) -> bool:
    """Whether two names could be one person's: capitals, blanks and forms of a letter make nobody somebody else.

    For deciding alone: the tables of letters grow from one Python to the next, and what was decided is an event.
    """
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return normalize("NFKC", name).strip().casefold()
