"""The script: what an event of the driver is as a line of it, and what lines are compared by."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw

from ...eventlog.codec import Event
from ..authoring.policies import Terms
from ..authoring.values import NOTHING
from . import events as ev
from .state import Line, json_of, key_of


def approval_key(show: Raw, expires: int | None, terms: Terms | None) -> Raw:
    """What an approval shows, as `key_of` keeps it, when it expires, and, where it has some, its terms."""
    return json_of([key_of(show), expires] if terms is None else [key_of(show), expires, key_of(json_of(terms))])


class ApprovalKey(NamedTuple):
    """What `approval_key` made the key from."""

    show: Raw
    expires: int | None
    terms: Raw = NOTHING


def approval_of(key: Raw) -> ApprovalKey:
    return msgspec.json.decode(key, type=ApprovalKey)


def name_of_child(event: ev.ChildScheduled) -> str:
    """What the script calls a child, with its id where the code chose that; its version was the newest of its time, and may have passed."""
    return f"{event.workflow} as {event.run}" if event.named else event.workflow


def line_of(event: Event, after: int) -> Line | None:
    """The line of the script that an event of the driver is; None where it is no part of it."""
    match event:
        case ev.StepScheduled(id=id, name=name, args=args, blob=blob):
            return Line(after, "step", id, name, key_of(args, blob))
        case ev.TimerSet(id=id, due=due):
            return Line(after, "timer", id, "", json_of(due))
        case ev.ApprovalRequested(id=id, name=name, show=show, expires=expires, terms=terms):
            return Line(after, "approval", id, name, approval_key(show, expires, terms))
        case ev.ChildScheduled(id=id, input=args, blob=blob):
            return Line(after, "child", id, name_of_child(event), key_of(args, blob))
        case ev.AttachScheduled(id=id, run=run):
            return Line(after, "attach", id, run, NOTHING)
        case ev.EffectsAbandoned(ids=ids):
            return Line(after, "abandon", "", "", json_of(ids))
        case ev.SignalSent(id=id, run=run, name=name, value=value, blob=blob):
            return Line(after, "step", id, "perdure.signal_run", key_of(json_of([run, name, key_of(value, blob)])))
        case ev.CancelSent(id=id, run=run, reason=reason):
            return Line(after, "step", id, "perdure.cancel_run", key_of(json_of([run, reason])))
        case ev.UpdateCompleted(command=command, result=result, error=error, blob=blob):
            return Line(after, "update", command, "", key_of(result, blob) if error is None or blob is not None else json_of(error.type))
        case _:
            return None
