"""What a workflow is told that awaits something which only an event loop can serve."""

from __future__ import annotations

from typing import Any

from ..authoring.errors import ForeignAwait

INSTEAD = (
    "do I/O inside an @step and await the step; wait with perdure.sleep or perdure.timeout; "
    "run things side by side with perdure.gather or perdure.task_group"
)


def foreign(run: dict[str, Any], asked: object) -> ForeignAwait:
    """The error for an await that handed the driver something which is not an effect of perdure."""
    what = "a bare yield, as of asyncio.sleep(0)" if asked is None else f"{type(asked).__module__}.{type(asked).__qualname__}"
    return refused(f"workflow {run['workflow']!r}, run {run['run']!r}", what)


def refused(who: str, what: str) -> ForeignAwait:
    return ForeignAwait(
        "a workflow used something that only an event loop can serve; it would happen again at every replay",
        who=who,
        where="the await or call at the end of this traceback",
        expected="an effect of perdure: a step, sleep, signal, gather, …",
        found=what,
        instead=INSTEAD,
    )
