"""Triggers: messages of others that each begin a run."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from ...eventlog.errors import Invalid
from .workflows import Workflow

SUBJECT = re.compile(r"[^\s.]+(\.[^\s.]+)*")


class Trigger(Struct, frozen=True):
    """A subject of NATS (`*` and `>` as there): each message on it begins one run, its JSON being the workflow's only argument.

    With `stream`, the JetStream stream that keeps those messages, none is missed, and each begins exactly one run; without, they
    are heard only while a worker listens. A message that is sent twice under one `Nats-Msg-Id` begins one run either way.
    """

    subject: str
    workflow: Workflow[..., Any]
    stream: str = ""
    name: str = ""
    """How the ids of its runs begin, and its consumer is called; the name of the workflow where it is empty."""
    tenant: str = "default"

    def __post_init__(self) -> None:
        if not SUBJECT.fullmatch(self.subject) or self.subject.startswith(("$", "perdure.", ">")):
            raise Invalid("a trigger needs a subject of others", who=f"trigger {self.subject!r}", where="subject", found=self.subject,
                          expected="parts between dots, none of them empty; not below '$', 'perdure', or all of them",
                          instead="name the subject that the messages have, such as 'shop.orders.*'")

    @property
    def called(self) -> str:
        return self.name or self.workflow.name
