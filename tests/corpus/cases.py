"""The corpus as a table: each workflow with its arguments, what is sent to it, and how it must end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
from msgspec import Struct

from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.run.state import RunState
from tests.corpus import branching, plain, stopped
from tests.corpus.release import Message, Play

WORKFLOWS: list[Workflow[..., Any]] = [*plain.WORKFLOWS, *branching.WORKFLOWS, *stopped.WORKFLOWS]
REGISTRY = Registry(WORKFLOWS)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PACKED = datetime(2024, 2, 29, 12, tzinfo=UTC)


class Case(Struct, frozen=True):
    """`results`: all that the run may end with, as JSON; a race may end in several ways. Empty: whatever it draws."""

    workflow: Workflow[..., Any]
    args: tuple[Any, ...] = ()
    messages: Sequence[Message] = ()
    results: Sequence[Any] = ()
    status: str = "completed"
    failure: tuple[str, str] | None = None
    """(kind of the innermost error, its message)"""

    @property
    def name(self) -> str:
        return self.workflow.name

    def play(self, seed: int) -> Play:
        return Play(f"{self.name}-{seed}", self.workflow, self.args, self.messages, seed)


def signals(name: str, *sent: tuple[timedelta, Any]) -> list[Message]:
    return [Message("signal", at, name, value) for at, value in sent]


def cancel(at: timedelta) -> list[Message]:
    return [Message("cancel", at)]


_PARCEL = {"packed": "2024-03-01T12:00:00Z", "weight": "4.40", "label": "AP8=", "size": [3, 4]}
_LETTERS = [*signals("word", (timedelta(0), "early")), *signals("number", (HOUR, 1), (HOUR, 2), (2 * HOUR, 3))]
_HEATS = [[f"q:{q}", "over", f"p:{p}", f"q:{q}", f"r:{r}"] for p, q, r in product(range(3), repeat=3)]
_TIDY = [[f"{won} again", *(f"undone {name}" for name in "abc" if name != won)] for won in "abc"]

CASES = [
    Case(plain.line, (12,), results=[66]),
    Case(plain.branching, (6,), results=[[6, 3, 10, 5, 16, 8, 4, 2, 1]]),
    Case(plain.threads, (3,), results=[83]),
    Case(plain.persistent, results=[[3, 1, 4]]),
    Case(plain.compensated, results=[["undone hotel", "undone flight", "ValueError", "no car"]]),
    Case(plain.exhausted, status="failed", failure=("ConnectionError", "attempt 4")),
    Case(plain.hopeless, status="failed", failure=("Fatal", "no such customer")),
    Case(plain.stock, (5,), results=["3 tea"]),
    Case(plain.wrong, (1,), status="failed", failure=("KeyError", "1")),
    Case(plain.unfit, results=["Invalid"]),
    Case(plain.slow, results=[[3, 1]]),
    Case(plain.parcel, (PACKED,), results=[_PARCEL]),
    Case(plain.chance),
    Case(plain.diary, ("o-1",), results=[{"workflow": "diary", "version": 1}]),
    Case(plain.naps, results=[[True, True, True]]),
    Case(plain.mail, messages=_LETTERS, results=[[1, 2, 3, "early"]]),
    Case(branching.fan_out, (200,), results=[39800]),
    Case(branching.two_lines, results=[[["a0", "a1", "a2", "a3"], ["b0", "b1", "b2", "b3"]]]),
    Case(branching.nested, results=[[2 + 2 + 6, 30 + 6 + 42, 90, 6]]),
    Case(branching.group_fails, results=[["step 'fail' failed: ValueError: broken", "undone a", "undone c"]]),
    Case(branching.group_grows, (4,), results=[8 + 5]),
    Case(branching.kept_errors, results=[["3", "StepError", "OutOfStock", "2"]]),
    Case(branching.gather_fails, results=[["undone careful", "broken"]]),
    Case(branching.limits, results=[["short late", "long", "outer"]]),
    Case(branching.quickest, results=[0, 1, 2]),
    Case(branching.tidy_losers, results=_TIDY),
    Case(branching.signal_or_timer, messages=signals("go", (HOUR, "now")), results=[["0:None", "1:now"]]),
    Case(branching.both_there, messages=[*signals("x", (timedelta(0), "x")), *signals("y", (timedelta(0), "y"))], results=[["x", "y"]]),
    Case(branching.races_within, results=_HEATS),
    Case(stopped.cancelled_waiting, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.cancelled_deep, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.resists, messages=cancel(HOUR), status="cancelled"),
    Case(stopped.cancelled_in_cleanup, messages=cancel(DAY), status="cancelled"),
    Case(stopped.killed_off, messages=[Message("terminate", HOUR)], status="terminated"),
    Case(stopped.too_late, messages=cancel(DAY), results=["done"]),
]


def ends_as_it_must(case: Case, facts: RunState) -> str:
    """What is wrong with the end of a run; empty where nothing is."""
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
