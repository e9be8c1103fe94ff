"""Steps that somebody outside ends: by the token that an attempt handed out, or because a person says what its value is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Refused
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE, must_live, repeated

OUTSIDE = "outside"
"""The worker of an attempt that was ended by its token."""


def _settle(state: RunState, command: cmd.Settle, now: int) -> Sequence[Event]:
    token = command.token
    if repeated(state, command.command):
        return NONE
    must_live(state, f"end step {token.effect}")
    step = state.steps.get(token.effect)
    if not token.is_of(state.seed):
        raise _refused(state, token.effect, "a token of this run", "one of another run under this id, or one that was changed")
    if step is None:
        raise _refused(state, token.effect, "a step that has no outcome yet", "one that has ended, or that the code wants no more")
    if step.attempt != token.attempt:
        raise _refused(state, token.effect, f"the token of attempt {step.attempt}", f"that of attempt {token.attempt}")
    if command.error is not None:
        return (ev.StepFailed(token.effect, token.attempt, command.error, now, now, OUTSIDE, command=command.command),)
    return (ev.StepCompleted(token.effect, token.attempt, command.value, now, now, OUTSIDE, command.command, command.blob),)


def _refused(state: RunState, effect: str, expected: str, found: str) -> Refused:
    return Refused("the token ends nothing any more", who=f"run of workflow {state.workflow!r}", where=f"step {effect}", expected=expected,
                   found=found, instead="nothing is to be done: look at the run to see what became of the step")


def _skip(state: RunState, command: cmd.Skip, now: int) -> Sequence[Event]:
    if repeated(state, command.command):
        return NONE
    must_live(state, f"skip step {command.step!r}")
    return (ev.StepSkipped(step_meant(state, command.step), command.value, command.by, command.why, command.command, command.blob),)


def step_meant(state: RunState, step: str) -> str:
    """The id of the open step that a person means by its id or by its name."""
    if step in state.steps:
        return step
    ids = [id for id, found in state.steps.items() if found.name == step]
    if len(ids) == 1:
        return ids[0]
    shown = ", ".join(f"{id} ({found.name})" for id, found in state.steps.items()) or "no step is open"
    raise Refused(
        "no open step is meant by that" if not ids else "several open steps are meant by that",
        who=f"run of workflow {state.workflow!r}",
        where=f"step {step!r}",
        expected=f"the id, or the name if only one step has it, of: {shown}",
        found=", ".join(ids) or "none of these",
        instead="say which one is meant by its id",
    )


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Settle: _settle,
    cmd.Skip: _skip,
}
