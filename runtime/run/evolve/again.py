"""Beginning again: the next generation of a run, and a failed run taken back to where it may go on."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .. import events as ev
from ..state import Arrival, Begun, CancelAsked, Decided, Held, Line, OpenStep, Outcome, RunState, Signalled, UpdateAsked
from .children import leave_all, want_again


def begin_again(state: RunState) -> None:
    """Forget what this generation did; what the stream has accepted, and who waits for its end, stays known."""
    leave_all(state)
    fresh = RunState()
    for name in RunState.__struct_fields__:
        if name not in KEPT:
            setattr(state, name, getattr(fresh, name))
    state.generation += 1


KEPT = frozenset({
    "phase", "workflow", "version", "seed", "length", "at", "commands", "forgotten", "attributes", "origin", "generation", "deadline",
    "keys", "recoveries", "updates", "open_updates", "answers_bytes", "parent", "by", "watchers", "on_end", "notices", "leaving", "heard",
    "stores", "released_at", "removing", "gone",
})  # fmt: skip


def unread(state: RunState, event: ev.Continued) -> list[Arrival]:
    """What arrived and was not read: the signals that the code had left, and all behind what it had taken."""
    taken, rest = state.arrivals[: event.delivered], state.arrivals[event.delivered :]
    kept = [taken[place - 1] for place in event.left] if event.left else _last_of(taken, event.unread)
    return [*kept, *(arrival for arrival in rest if isinstance(arrival, Signalled | UpdateAsked | CancelAsked))]


def _last_of(taken: list[Arrival], unread: dict[str, int]) -> list[Arrival]:
    """Of each signal's name the last so many."""
    left, kept = dict(unread), list[Arrival]()
    for arrival in reversed(taken):
        if isinstance(arrival, Signalled) and left.get(arrival.name, 0):
            left[arrival.name] -= 1
            kept.append(arrival)
    return kept[::-1]


def go_back(state: RunState, place: int, *, void: bool) -> None:
    """To when the code had taken `place` arrivals: what it asked for since is forgotten, what was open then is open again.

    Arrivals that it took in one go it takes in one go again: what it asked for between two of them has no place of its own.
    """
    taken, behind = state.arrivals[: max(place, 0)], state.arrivals[max(place, 0) :]
    place = next((held.start for held in state.held if held.start < place < held.end), place)
    attempts = state.tried | {id: step.attempt for id, step in (*state.abandoned.items(), *state.steps.items())}
    attempts |= {outcome.id: outcome.attempt for outcome in behind if isinstance(outcome, Outcome)}
    state.script = [line for line in state.script if line.after <= place]
    if void:
        behind = [arrival for arrival in behind if isinstance(arrival, Signalled | UpdateAsked | Decided)]
    asked = {line.id for line in state.script}
    behind = [arrival for arrival in behind if not isinstance(arrival, Decided) or arrival.id in asked]
    ended = {arrival.id for arrival in taken if isinstance(arrival, Outcome)} | {
        arrival.id for arrival in (*taken, *behind) if not isinstance(arrival, Outcome | Signalled | UpdateAsked | CancelAsked | Begun)
    }
    if not void:
        ended |= {arrival.id for arrival in behind if isinstance(arrival, Outcome)}
    known = state.withdrawn | state.approvals
    open_lines = list(_open(state.script, ended))
    state.steps = {line.id: OpenStep(line.name, attempts.get(line.id, 0) + 1) for line in open_lines if line.what == "step"}
    state.tried = attempts
    state.timers = {line.id: int(bytes(line.key)) for line in open_lines if line.what == "timer"}
    state.approvals = {line.id: known[line.id] for line in open_lines if line.what == "approval"}
    state.timers |= {id: asked.due for id, asked in state.approvals.items() if asked.due is not None}
    state.retries, state.deferred, state.abandoned = {}, {}, {}
    state.withdrawn = {id: one for id, one in known.items() if id in asked and id not in state.approvals}  # it may go back further
    state.step_deadlines = {}  # a person wants them done, however long it takes
    state.arrivals, state.delivered = [*taken, *behind], place
    want_again(state, open_lines)
    state.held = [Held(held.start, min(held.end, place), held.at) for held in state.held if held.start < place]


def _open(script: list[Line], ended: set[str]) -> Iterator[Line]:
    """The lines whose effects had neither ended nor been abandoned."""
    gone: set[str] = set()
    for line in script:
        if line.what == "abandon":
            gone.update(msgspec.json.decode(line.key, type=list[str]))
    return (line for line in script if line.id and line.id not in gone and line.id not in ended)
