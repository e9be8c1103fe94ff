"""Messages to the code of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Refused
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE, must_live

SIGNALS_MAX = 10_000


def _signal(state: RunState, command: cmd.Signal, now: int) -> Sequence[Event]:
    if command.command in state.commands:
        return NONE
    must_live(state, "signal")
    if len(state.arrivals) >= SIGNALS_MAX and sum(type(arrival).__name__ == "Signalled" for arrival in state.arrivals) >= SIGNALS_MAX:
        raise Refused("the run has been sent too many signals", who=f"run of workflow {state.workflow!r}", where=f"signal {command.name!r}",
                      expected=f"at most {SIGNALS_MAX}", found="one more", instead="start a new run for new work")
    return [ev.SignalReceived(command.name, command.value, command.command)]


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Signal: _signal,
}
