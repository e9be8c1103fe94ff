"""Moving to another log: may the run leave, come in, or go on where it was?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import PerdureError, Refused, Unavailable
from ....eventlog.streams import parts_of
from .. import commands as cmd
from .. import events as ev
from ..relatives import relatives
from ..state import RunState
from ..waiting import waiter_of
from .artifacts import must_be_removed
from .asking import NONE, must_exist


def _hold(state: RunState, command: cmd.Hold, now: int) -> Sequence[Event]:
    """What stands still by itself, or for a person, is left as it is: so it stays after the move."""
    must_exist(state)
    stands = state.phase in ("paused", "delayed") and not state.goes_on
    if state.away or state.ended or stands:
        return NONE
    return [ev.Paused(f"it is being moved: {command.move}", move=command.move)]


def _move_out(state: RunState, command: cmd.MoveOut, now: int) -> Sequence[Event]:
    must_exist(state)
    if state.away:
        if (state.away, state.away_to) == (command.move, command.to):
            return NONE
        raise gone(state, "move out")
    must_be_removed(state, "move out")
    who = f"run of workflow {state.workflow!r}"
    if not state.ended and state.phase not in ("paused", "delayed"):
        raise Refused("a run that does not stand still cannot be moved", who=who, where="move out",
                      expected="a run that is paused, delayed or has ended", found=f"it is {state.phase}",
                      instead="pause it first; an export does, so repeat that if somebody has resumed the run meanwhile")
    if missing := sorted(relatives(state) - command.along):
        raise left_behind(who, missing)
    return [ev.MovedOut(command.move, command.to)]


def left_behind(who: str, missing: Sequence[str]) -> Refused:
    return Refused("a run cannot be moved without those that wait for its end, or that it waits for", who=who, where="move out",
                   expected="all of them in one move", found=f"without {', '.join(missing)}",
                   instead=f"name these too: {' '.join(missing)}; or let them end first")


def _move_in(state: RunState, command: cmd.MoveIn, now: int) -> Sequence[Event]:
    must_exist(state)
    if state.away == command.move:
        return [ev.MovedIn(command.move, command.source)]
    if state.away or command.move not in state.commands:
        raise _another_move(state, command.move, "move in")
    return NONE


def _move_back(state: RunState, command: cmd.MoveBack, now: int) -> Sequence[Event]:
    """A run that the move holds and that has not left goes on likewise; one that it never reached is left as it is."""
    must_exist(state)
    if state.away and state.away != command.move:
        raise _another_move(state, command.move, "move back")
    is_held = state.phase == "paused" and state.held_for == command.move and not state.goes_on
    return [ev.MovedBack(command.move)] if state.away or is_held else NONE


def _another_move(state: RunState, move: str, wish: str) -> Refused:
    found = f"it left by {state.away}, to {state.away_to}" if state.away else "it is here, and this move has not brought it"
    return Refused("the run is not on this move", who=f"run of workflow {state.workflow!r}", where=wish,
                   expected=f"a run that left by {move}", found=found, instead="nothing is to be done: look at the run to see where it is")


def must_be_here(state: RunState, command: cmd.Command) -> None:
    """Raises where the run has left this log, unless the command is about its move, or only looks.

    A relative is asked to say it again: it leaves, too, and is then told by the run where that is.
    """
    if not state.away or isinstance(command, cmd.Look | cmd.Hold | cmd.MoveOut | cmd.MoveIn | cmd.MoveBack):
        return
    error = gone(state, type(command).__name__.lower())
    if _speaker(state, command) in relatives(state):
        raise Unavailable(error.message, **{name: text for name, text in error.parts().items() if name != "message"})
    raise error


def _speaker(state: RunState, command: cmd.Command) -> str | None:
    """The id of the run that sends the command; None where it comes from outside."""
    by = ""
    match command:
        case cmd.Start(parent=parent):
            by = parent
        case cmd.Watch(by=waiter) | cmd.Leave(by=waiter) | cmd.Follow(by=waiter):
            by = waiter
        case ev.ChildEnded(id=id) | ev.ChildStarted(id=id) if id in state.made:
            return state.made[id].run
        case _:
            pass
    return parts_of(waiter_of(by).stream)[2] if by else None


def gone(state: RunState, wish: str) -> PerdureError:
    return Refused("the run has moved to another log", who=f"run of workflow {state.workflow!r}", where=wish,
                   expected="a run that is here", found=f"it left by {state.away}", instead=f"ask there: the log {state.away_to}")


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Hold: _hold,
    cmd.MoveOut: _move_out,
    cmd.MoveIn: _move_in,
    cmd.MoveBack: _move_back,
}
