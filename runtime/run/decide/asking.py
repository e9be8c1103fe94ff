"""What every decision about a run may have to ask first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import NotFound, Refused
from ..repeats import KNOWN_MAX, is_forgotten, short
from ..state import RunState

NONE: Sequence[Event] = ()

SHOWN_MAX = 80


def is_known(state: RunState, command: str) -> bool:
    """Whether a command of this id was accepted, as far as that is known one by one."""
    return bool(command) and short(command) in state.commands


def repeated(state: RunState, command: str) -> bool:
    """Whether a command of this id was accepted; Refused where that cannot be known any more, as it is too old."""
    if is_known(state, command):
        return True
    if command and is_forgotten(state.forgotten, command):
        raise Refused("the command is too old: whether it was accepted is no longer known", who=f"run of workflow {state.workflow!r}",
                      where=f"command {command!r}", found="one as old as some that are forgotten",
                      expected=f"one of the newest {KNOWN_MAX} that the run accepted, or a newer one of its sender",
                      instead="look at the run, or at its events, to see whether it was done; if not, send it under a new id")
    return False


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
