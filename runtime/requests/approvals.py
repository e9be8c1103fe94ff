"""Requests about approvals, and what they are answered: a part of `requests`, which is what doors and clients import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from ..authoring.approvals import Voice
from ..run.electing import Electorate, Group, named_by, standing_in
from .asking import Request


class DecideApproval(Request, frozen=True, tag="decide", kw_only=True):
    """Approve or reject what a run asks people: the open approval of this `id`, or else of this `name`.

    `digest` is that of what the person was shown; `by` and `why` are kept in the log. `roles` are those of who decides; with `named`
    they may decide only what names them or a role of theirs. A door that knows who asks says all three itself.
    """

    run: str
    outcome: Literal["approved", "rejected"]
    by: str
    digest: str
    name: str = ""
    id: str = ""
    why: str = ""
    roles: tuple[str, ...] = ()
    named: bool = False


class ListApprovals(Request, frozen=True, tag="approvals", kw_only=True):
    """What all runs ask people now, a page of at most `limit` runs at a time.

    With `by` only what that person, in these `roles`, may decide now; `named` as in a decision.
    """

    after: str | None = None
    limit: int = 100
    by: str = ""
    roles: tuple[str, ...] = ()
    named: bool = False


class EscalatesTo(Struct, frozen=True, omit_defaults=True):
    """From `at` on these may decide, too."""

    at: datetime
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class OpenApproval(Struct, frozen=True, omit_defaults=True):
    """What a run asks people, and nobody has decided. `show` is what the decision is about, `digest` stands for it."""

    run: str
    id: str
    name: str
    show: Any
    digest: str
    asked: datetime
    expires: datetime | None = None
    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Who may decide; with `users` anybody, where both are empty."""
    quorum: int = 1
    """How many people must approve."""
    voices: list[Voice] = []
    """Who has."""
    escalates: list[EscalatesTo] = []
    by: str = ""
    """Who started the run, where a door knew them."""
    starter_may: bool = True
    """Whether they may decide, too."""

    def may(self, by: str, roles: Sequence[str], now: datetime, *, named: bool = False) -> bool:
        """Whether somebody in these roles may decide it now; with `named` only where it names them or a role of theirs."""
        return not standing_in(self._electorate(), by, roles, now, named=named).why_not

    def names(self, by: str, roles: Sequence[str], now: datetime) -> bool:
        """Whether it names them or a role of theirs by now, also where they have approved already."""
        return named_by(self._electorate(), by, roles, now) is not None

    def _electorate(self) -> Electorate:
        later = [Group(one.at, one.users, one.roles) for one in self.escalates]
        approved, starter = [voice.by for voice in self.voices], "" if self.starter_may else self.by
        return Electorate([Group(self.asked, self.users, self.roles), *later], approved, starter)


class ApprovalPage(Struct, frozen=True, tag_field="reply", tag="approvals"):
    """Approvals that are open in many runs. `unread`: runs that could not be asked, and why."""

    approvals: list[OpenApproval]
    after: str | None
    unread: dict[str, str]
