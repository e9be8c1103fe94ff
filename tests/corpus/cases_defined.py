"""Cases of runs of definitions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.corpus import defined, families
from tests.corpus.case import DAY, Case, signals
from tests.corpus.script import Message

MINUTE = timedelta(minutes=1)

_KEPT = {"of": 7, "is": 225}
_CHOSEN = {"which": "some", "never": "skipped", "again": 57}
_TROUBLE = [3, "undone no car", "ValueError"]
_ASKED = [*signals("word", (MINUTE, "go")), Message("approved", DAY, "ship"), Message("rejected", 2 * DAY, "drop")]


def _case(name: str, text: str, inputs: dict[str, Any] | None = None, **more: Any) -> Case:
    return Case(defined.INTERPRETER.workflow, (defined.bound(text), inputs or {}), named=f"defined_{name}", **more)


CASES_DEFINED = [
    _case("line", defined.LINE, {"n": 7}, results=[_KEPT]),
    _case("graph", defined.GRAPH, results=[{"left": "left 6", "right": "right 4"}]),
    _case("choices", defined.CHOICES, {"n": 12}, results=[_CHOSEN]),
    _case("each", defined.EACH, {"items": [*range(5)]}, results=[[0, None, 6, None, 20]]),
    _case("trouble", defined.TROUBLE, results=[_TROUBLE]),
    _case("asked", defined.ASKED, messages=_ASKED, results=[["go", "failed", "ada", "rejected"]]),
    _case("parent", defined.PARENT, also=[families.pupil, families.rebel], results=[[6, 12, "failed"]]),
    _case("broken", defined.BROKEN, status="failed", failure=("ValueError", "broken")),
]
