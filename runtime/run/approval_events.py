"""The events of approvals: what people are asked, who approved, whom it escalated to, and the one decision."""

from __future__ import annotations

from msgspec import Raw

from ...eventlog.codec import Event
from ..authoring.approvals import Answer
from ..authoring.policies import Terms


class ApprovalRequested(Event, frozen=True):
    """The code asks a person. `digest` is over name, run and what is shown; `expires` in microseconds since 1970."""

    id: str
    name: str
    show: Raw
    digest: str
    expires: int | None = None
    terms: Terms | None = None
    """Who may decide, and how many it takes; without them anybody, and one."""


class ApprovalGiven(Event, frozen=True):
    """One person approved, and it takes more. `role`: by which role they might, where they are not named themselves."""

    id: str
    by: str
    why: str = ""
    command: str = ""
    role: str = ""


class ApprovalEscalated(Event, frozen=True):
    """Time has gone by without a decision: those of the stage, counted from 1, may decide as well."""

    id: str
    stage: int


class ApprovalDecided(Event, frozen=True):
    """The one decision that counts; `by` is empty where it expired. `role`: as in `ApprovalGiven`."""

    id: str
    outcome: Answer
    by: str = ""
    why: str = ""
    command: str = ""
    role: str = ""
