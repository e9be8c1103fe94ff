"""Messages: signals that arrive and that are sent, updates that are accepted and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....eventlog.codec import Event
from .. import events as ev
from ..script import line_of
from ..state import RunState, Signalled, Update, UpdateAsked
from .arriving import arrive, copied, remember
from .steps import opened

ANSWERS_MAX = 1_000
"""Answers to updates that are kept for a repeat."""

ANSWERS_BYTES_MAX = 4 * 1024 * 1024


def _signalled(state: RunState, event: ev.SignalReceived, at: int) -> None:
    remember(state, event.command)
    count, size = state.backlog if state.delivered < len(state.arrivals) else (0, 0)
    more = len(event.value) if event.blob is None else event.blob.size
    arrive(state, Signalled(at, event.name, event.value.copy(), event.blob))
    state.backlog = (0, 0) if state.delivered == len(state.arrivals) else (count + 1, size + more)


def _update_accepted(state: RunState, event: ev.UpdateAccepted, at: int) -> None:
    remember(state, event.command)
    state.updates[event.command] = Update()
    state.open_updates += 1
    arrive(state, UpdateAsked(at, event.name, event.args.copy(), event.command, event.blob))


def _update_completed(state: RunState, event: ev.UpdateCompleted, at: int) -> None:
    line = line_of(event, state.delivered)
    if line is not None:
        state.script.append(line)
    known = state.updates.get(event.command)
    if known is None or known.done:
        return  # of a run that was taken back and went there again: the first answer stands
    error = None if event.error is None else copied(event.error)
    del state.updates[event.command]
    state.updates[event.command] = Update(state.length, event.result.copy(), error, event.blob if error is None else None)
    state.open_updates -= 1
    state.answers_bytes += len(event.result)
    while (done := len(state.updates) - state.open_updates) > ANSWERS_MAX or (state.answers_bytes > ANSWERS_BYTES_MAX and done > 1):
        oldest = next(command for command, update in state.updates.items() if update.done)
        state.answers_bytes -= len(state.updates.pop(oldest).result)


def _sent(state: RunState, event: ev.SignalSent | ev.CancelSent, at: int) -> None:
    """Open like a step, and so retried, abandoned and recovered like one."""
    line = line_of(event, state.delivered)
    if line is not None:
        opened(state, event.id, line.name)
        state.script.append(line)


def forget_open_updates(state: RunState) -> None:
    """Of a run that another takes the place of, nobody will answer what is open."""
    state.updates = {command: update for command, update in state.updates.items() if update.done}
    state.open_updates = 0


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.SignalReceived: _signalled,
    ev.SignalSent: _sent,
    ev.CancelSent: _sent,
    ev.UpdateAccepted: _update_accepted,
    ev.UpdateCompleted: _update_completed,
}
