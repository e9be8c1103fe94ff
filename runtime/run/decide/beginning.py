"""Beginning: may a run be started? And who is told of its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UnsetType

from ....eventlog.codec import Event
from ....eventlog.errors import Refused, Unavailable
from .. import commands as cmd
from .. import events as ev
from ..state import RunState, key_of
from .artifacts import must_be_removed
from .asking import NONE, is_known, repeated, shown
from .control import retry

WATCHERS_MAX = 10_000


def start(state: RunState, command: cmd.Start, now: int) -> Sequence[Event]:
    if state.phase == "new":
        return [began(command)]
    must_be_ones_own(state, command)
    if is_known(state, command.command):
        return NONE
    if command.parent and command.parent == state.parent:
        return _again(state, command, now)
    if state.ended:
        reuse = command.reuse == "always" or (command.reuse == "after_failure" and state.phase != "completed")
        if reuse and not repeated(state, command.command):
            must_be_removed(state, "start")
            return [began(command)]
    elif command.on_conflict == "terminate_and_start" and not repeated(state, command.command):
        return [ev.RunTerminated("another run takes its place"), began(command)]
    elif command.on_conflict == "refuse":
        raise Refused("the id belongs to a run that has not ended", who=f"run of workflow {state.workflow!r}", where="start",
                      expected="an id that is free", found=f"a run that is {state.phase}",
                      instead="choose another id, wait for its end, or start with on_conflict='existing'")
    known = key_of(state.input, state.input_blob) if isinstance(state.origin, UnsetType) else state.origin
    asked = key_of(command.input, command.blob)
    if (state.workflow, bytes(known)) != (command.workflow, bytes(asked)):
        raise Refused(
            "the id belongs to another run",
            who=f"run of workflow {state.workflow!r}",
            where="start",
            expected=f"the input it was started with: {shown(known)}",
            found=f"workflow {command.workflow!r} with {shown(asked)}",
            instead="choose another id, or start with the same input to get that run",
        )
    return watch(state, command.command if command.again else command.parent) if command.parent else NONE


def must_be_ones_own(state: RunState, command: cmd.Start) -> None:
    """Refused where somebody whom a door knows would meet, or replace, what is not theirs; who asks by no name may."""
    if command.by and command.by != state.by and state.phase != "new":
        raise Refused("the id belongs to a run of somebody else", where="start", expected="an id that is free, or of a run of one's own",
                      found="one that is taken", instead="choose another id, or let it be made up")


def _again(state: RunState, command: cmd.Start, now: int) -> Sequence[Event]:
    """A parent starts its child once more: because it does not know whether it did, or because it is itself retried."""
    if not command.again or state.phase == "completed":
        return NONE
    if state.cancelling and not state.ended:
        raise Unavailable("the run is still being cancelled", who=f"run of workflow {state.workflow!r}", where="start",
                          expected="a run that has ended, to begin anew", found=f"it is {state.phase}", instead="ask again a little later")
    if not state.ended:
        return watch(state, command.command)
    if state.phase == "failed":
        return [*retry(state, cmd.Retry(command=command.command), now), ev.Watched(command.command)]
    must_be_removed(state, "start")
    return [began(command)]


def began(command: cmd.Start) -> Event:
    given = command.workflow, command.version, command.input, command.seed, command.command, command.deadline, command.parent, command.blob
    if command.start_at:
        return ev.RunDelayed(*given, trace=command.trace, by=command.by, on_end=command.on_end, start_at=command.start_at)
    return ev.RunStarted(*given, trace=command.trace, by=command.by, on_end=command.on_end)


def watch(state: RunState, by: str) -> Sequence[Event]:
    """`by` waits for the end of a run that exists: one that has ended says so in its answer, and keeps nothing."""
    if state.ended or by in state.watchers:
        return NONE
    if len(state.watchers) >= WATCHERS_MAX:
        raise Refused("too many wait for the end of the run", who=f"run of workflow {state.workflow!r}", where="attach",
                      expected=f"at most {WATCHERS_MAX}", found="one more", instead="attach to a run that waits for this one")
    return (ev.Watched(by),)


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Start: start,
}
