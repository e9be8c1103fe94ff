"""Approvals: may this decision count? One does, the first in the log; a person's must name the digest of what they were shown.

Where it takes several people, each that approves is recorded, and the last of them decides. Who may is judged now, by the clock: what
has not been recorded yet of the time that has gone by is recorded before the decision. While the clock is doubted nobody can tell
what has gone by: timers are held, and so is a decision about an approval that escalates or expires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....eventlog.codec import Event
from ....eventlog.errors import Invalid, NotFound, PerdureError, Refused, Unavailable
from ...authoring.words import moment
from .. import commands as cmd
from .. import events as ev
from ..electing import electorate_of, standing_in, who_may
from ..state import Asked, Decided, Line, RunState
from .asking import NONE, must_exist, must_live, repeated

BY_MAX = 200
WHY_MAX = 4000


def _decide(state: RunState, command: cmd.Decide, now: int) -> Sequence[Event]:
    if repeated(state, command.command):
        return NONE
    _must_be_whole(command)
    must_exist(state)
    open_ = {} if state.ended else _meant(state, command)
    if not open_:
        raise _not_open(state, command)
    id, asked = _seen(open_, command)
    if asked.due is not None and not command.believed:
        raise _no_time(asked.name)
    if asked.expires is not None and asked.expires <= now:
        raise _too_late(asked.name, f"it expired on {moment(asked.expires)}: nobody had decided")
    role = _must_be_allowed(state, asked, command, now)
    escalated = [event for _, event in overtaken(id, asked, now)]
    given = id, command.by, command.why, command.command, role
    if command.outcome == "approved" and asked.terms is not None and len(asked.given) + 1 < asked.terms.quorum:
        return [*escalated, ev.ApprovalGiven(*given)]
    return [*escalated, ev.ApprovalDecided(id, command.outcome, *given[1:])]


def overtaken(id: str, asked: Asked, now: int) -> list[tuple[int, Event]]:
    """(when, what) of all that time alone has made of an open approval and that is not recorded yet."""
    stages = asked.terms.stages if asked.terms is not None else ()
    times = [(asked.at + stage.after, number) for number, stage in enumerate(stages, 1)]
    due: list[tuple[int, Event]] = [(at, ev.ApprovalEscalated(id, number)) for at, number in times if number > asked.stage and at <= now]
    if asked.expires is not None and asked.expires <= now:
        due.append((asked.expires, ev.ApprovalDecided(id, "expired")))
    return due


def _no_time(name: str) -> Unavailable:
    return Unavailable("the wall clock has jumped, and this approval moves with the time", who=f"approval {name!r}", where="decide",
                       expected="a clock that is believed", found="one that is more than 30 s from where it was",
                       instead="try again with the same command id; who runs this node sets its clock right or, where it is right as "
                               "it is, calls runtime.confirm_clock() or starts the node anew")


def _must_be_allowed(state: RunState, asked: Asked, command: cmd.Decide, now: int) -> str:
    """The role by which who decides may, empty where none is needed; Refused where they may not."""
    electorate = electorate_of(asked, state.by)
    standing = standing_in(electorate, command.by, command.roles, now, named=command.named)
    if standing.why_not:
        raise Refused("this is not theirs to decide", who=f"approval {asked.name!r}", where="by", expected=who_may(electorate, now),
                      found=standing.why_not, instead="leave it to those who may: 'perdure approvals' shows who")
    return standing.role


def _must_be_whole(command: cmd.Decide) -> None:
    """A decision says who decides, and what they saw."""
    for where, text, longest in (("by", command.by, BY_MAX), ("why", command.why, WHY_MAX)):
        if (where == "by" and not text.strip()) or len(text) > longest:
            raise Invalid("a decision is somebody's, and short", who=f"approval {command.name or command.id!r}", where=where,
                          expected=f"at most {longest} characters, and a name for 'by'", found=f"{len(text)} characters",
                          instead="say who decides: a name, or an id that leads to one")
    if not command.digest:
        raise Invalid("a decision must name what it is about", who=f"approval {command.name or command.id!r}", where="digest",
                      expected="the digest of what the person was shown", found="none",
                      instead="list the open approvals of the run, show one to the person, and pass on its digest")


def _meant(state: RunState, command: cmd.Decide) -> dict[str, Asked]:
    """The open approvals that the command may mean."""
    if command.id:
        return {id: asked for id, asked in state.approvals.items() if id == command.id}
    return {id: asked for id, asked in state.approvals.items() if asked.name == command.name}


def _seen(open_: dict[str, Asked], command: cmd.Decide) -> tuple[str, Asked]:
    """The one that shows what the person saw."""
    same = [(id, asked) for id, asked in open_.items() if asked.digest == command.digest]
    name = next(iter(open_.values())).name
    if not same:
        raise Refused("what was decided about is not what is asked now", who=f"approval {name!r}", where="digest",
                      expected=" or ".join(asked.digest for asked in open_.values()), found=command.digest,
                      instead="list the open approvals again, look at what is shown, and decide about that")
    if len(same) > 1:
        raise Refused("several approvals of one name show the same", who=f"approval {name!r}", where="id",
                      expected="the id of one of them", found=", ".join(id for id, _ in same), instead="decide by id")
    return same[0]


def _not_open(state: RunState, command: cmd.Decide) -> PerdureError:
    """Who decided, when and how; or that it was withdrawn, or never asked."""
    line = _last_asked(state, command)
    if line is None:
        must_live(state, "decide an approval")
        names = ", ".join(f"{asked.name!r} ({id})" for id, asked in state.approvals.items())
        return NotFound("the run asks for no such approval", who=f"approval {command.name or command.id!r}", where="its open approvals",
                        expected=names or "none: the run asks for no approval now", found="no such name or id",
                        instead="list the open approvals of the run")
    for arrival in reversed(state.arrivals):
        if isinstance(arrival, Decided) and arrival.id == line.id:
            by, why = f" by {arrival.by}" if arrival.by else "", f": {arrival.why}" if arrival.why else ""
            return _too_late(line.name, f"it was {arrival.outcome}{by} on {moment(arrival.at)}{why}")
    return _too_late(line.name, f"the run is {state.phase}" if state.ended else "the run withdrew it: it no longer waits for the answer")


def _last_asked(state: RunState, command: cmd.Decide) -> Line | None:
    for line in reversed(state.script):
        if line.what == "approval" and (line.id == command.id if command.id else line.name == command.name):
            return line
    return None


def _too_late(name: str, found: str) -> Refused:
    return Refused("the approval is no longer open", who=f"approval {name!r}", where="decide", expected="one that nobody has decided yet",
                   found=found, instead="nothing is to be done: the first decision counts")


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {cmd.Decide: _decide}
