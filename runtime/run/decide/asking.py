"""What every decision about a run may have to ask first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import NotFound, Refused
from ..state import RunState

NONE: Sequence[Event] = ()

SHOWN_MAX = 80


def must_exist(state: RunState) -> None:
    if state.phase == "new":
        raise NotFound("there is no such run", where="run id", expected="the id of a run that was started", found="an id without events",
                       instead="list the runs with 'perdure runs', or start it first")


def must_live(state: RunState, wish: str) -> None:
    must_exist(state)
    if state.ended:
        raise Refused(f"the run has ended, so it cannot be told to {wish}", who=f"run of workflow {state.workflow!r}", where=wish,
                      expected="a run that has not ended", found=f"it is {state.phase}", instead="start a new run")


def shown(value: Any) -> str:
    text = bytes(value).decode(errors="replace")
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."
