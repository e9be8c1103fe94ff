"""A case: a workflow with its arguments, what is sent to it, and how it must end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from perdure.runtime.authoring.workflows import Workflow
from tests.corpus.ledger import Play, Played
from tests.corpus.script import Message, Opening

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Case(Struct, frozen=True):
    """`results`: all that the run may end with, as JSON; a race may end in several ways. Empty: whatever it draws."""

    workflow: Workflow[..., Any]
    args: tuple[Any, ...] = ()
    messages: Sequence[Message] = ()
    results: Sequence[Any] = ()
    status: str = "completed"
    failure: tuple[str, str] | None = None
    """(kind of the innermost error, its message)"""
    also: Sequence[Workflow[..., Any]] = ()
    """Children, other versions, and workflows of the runs that messages go to."""
    opening: Opening = Opening()
    shows_kills: bool = False
    """Whether the rules say that the workflow sees it where its process was killed."""
    is_transactional: bool = False
    """Whether its steps write beside the log, which only SQLite lets them."""
    named: str = ""
    """What it is called, where that is not the name of its workflow."""

    @property
    def name(self) -> str:
        return self.named or self.workflow.name

    def play(self, seed: int) -> Play:
        return Play(f"{self.name}-{seed}", self.workflow, self.args, self.messages, seed, self.also, self.opening)


def signals(name: str, *sent: tuple[timedelta, Any]) -> list[Message]:
    return [Message("signal", at, name, value) for at, value in sent]


def cancel(at: timedelta) -> list[Message]:
    return [Message("cancel", at)]


def ends_as_it_must(case: Case, played: Played) -> str:
    """What is wrong with the end of a run; empty where nothing is."""
    facts = played.main
    innermost = facts.failure
    while innermost is not None and innermost.cause is not None:
        innermost = innermost.cause
    failure = None if innermost is None else (innermost.type, innermost.message)
    result = msgspec.json.decode(facts.result)
    if (facts.phase, failure) != (case.status, case.failure):
        return f"it ended as {facts.phase}, {failure}, and not as {case.status}, {case.failure}"
    if case.results and result not in case.results:
        return f"it ended with {result}, which is none of {list(case.results)}"
    return ""
