"""Requests about a run as the commands that its decider knows, and how a run stands as a reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, get_args

import msgspec
from msgspec import UNSET, Raw

from ..actors.shelf import Shelf
from ..eventlog.errors import Invalid, Refused
from ..eventlog.streams import stream_of
from .authoring.approvals import Voice
from .authoring.tokens import read_token
from .authoring.words import moment
from .requests import (
    AnyRequest,
    Applied,
    CancelRun,
    CompleteStep,
    DecideApproval,
    FailStep,
    HoldRun,
    LookAtRun,
    MoveRunBack,
    MoveRunIn,
    MoveRunOut,
    OpenApproval,
    PauseRun,
    Request,
    ResumeRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UpgradeRun,
)
from .requests.approvals import EscalatesTo
from .run import commands as cmd
from .run.child_ids import could_be_of_a_child
from .run.commands import OnConflict, Reuse
from .run.performing import Standing
from .run.state import Asked

CONFLICTS: tuple[str, ...] = get_args(OnConflict)
REUSES: tuple[str, ...] = get_args(Reuse)


SECONDS_MAX = 100 * 366 * 86400
"""A hundred years: later times than a log can hold are a mistake."""

TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, the header `traceparent`."""


def _cancel(asked: CancelRun) -> cmd.Command:
    return cmd.Cancel(asked.reason, asked.command)


def _terminate(asked: TerminateRun) -> cmd.Command:
    return cmd.Terminate(asked.reason, asked.command)


def _pause(asked: PauseRun) -> cmd.Command:
    return cmd.Pause(asked.reason, asked.freeze, asked.command, asked.children)


def _resume(asked: ResumeRun) -> cmd.Command:
    return cmd.Resume(asked.command, asked.children)


def _upgrade(asked: UpgradeRun) -> cmd.Command:
    return cmd.Upgrade(asked.version, asked.command)


def _decide(asked: DecideApproval) -> cmd.Command:
    who = asked.roles, asked.named
    return cmd.Decide(asked.name, asked.outcome, asked.by, asked.why, asked.digest, asked.id, asked.command, *who)


def _complete(asked: CompleteStep) -> cmd.Command:
    return cmd.Settle(read_token(asked.token), value=asked.value, command=asked.command or f"complete {asked.token}")


def _fail(asked: FailStep) -> cmd.Command:
    return cmd.Settle(read_token(asked.token), error=asked.error, command=asked.command or f"fail {asked.token}")


def _skip(asked: SkipStep) -> cmd.Command:
    return cmd.Skip(asked.step, asked.value, asked.by, asked.why, asked.command)


def _hold(asked: HoldRun) -> cmd.Command:
    return cmd.Hold(asked.move)


def _move_out(asked: MoveRunOut) -> cmd.Command:
    return cmd.MoveOut(asked.move, asked.to, frozenset(asked.along))


def _move_in(asked: MoveRunIn) -> cmd.Command:
    return cmd.MoveIn(asked.move, asked.source)


def _move_back(asked: MoveRunBack) -> cmd.Command:
    return cmd.MoveBack(asked.move)


def _look(asked: LookAtRun) -> cmd.Command:
    return cmd.Look(asked.accepted)


COMMANDS: dict[type[Request], Callable[[Any], cmd.Command]] = {
    DecideApproval: _decide,
    CancelRun: _cancel,
    TerminateRun: _terminate,
    PauseRun: _pause,
    ResumeRun: _resume,
    UpgradeRun: _upgrade,
    CompleteStep: _complete,
    FailStep: _fail,
    SkipStep: _skip,
    LookAtRun: _look,
    HoldRun: _hold,
    MoveRunOut: _move_out,
    MoveRunIn: _move_in,
    MoveRunBack: _move_back,
}
"""The requests that are one command, told to the run and answered at once."""


def stream_for(request: AnyRequest) -> str:
    """The stream of the run that a request is about: a token says so itself."""
    if isinstance(request, CompleteStep | FailStep):
        return read_token(request.token).stream
    return stream_of("run", request.tenant, request.run)


def named_by_command(asked: StartRun) -> StartRun:
    """A start that names no run but its command: the id follows from that, so that a repeat meets the same run.

    One that asks for something else under the same command is refused then, as under any id that is taken; so the command is left out.
    """
    if asked.run or not asked.command:
        return asked
    run = f"c-{blake2b(f'{asked.workflow} {asked.command}'.encode(), digest_size=12).hexdigest()}"
    told_by_id = type(asked) is StartRun and (asked.on_conflict, asked.reuse) == ("existing", "never")
    return msgspec.structs.replace(asked, run=run, command="" if told_by_id else asked.command)


def applied(run: str, standing: Standing, receipt: str = "") -> Applied:
    result = UNSET if standing.result is None or standing.blob is not None else standing.result
    approvals = [open_approval(run, id, asked, standing.by) for id, asked in standing.approvals.items()]
    given = result, standing.failure, standing.reason, approvals, standing.blob, receipt, standing.by
    return Applied(run, standing.version, standing.status, standing.workflow, *given)


def looked_at(reply: Applied, standing: Standing) -> Applied:
    """The reply with what a list says of a run, too."""
    times = {"started": moment(standing.started), "changed": moment(standing.changed)} if standing.started else {}
    return msgspec.structs.replace(reply, attributes=msgspec.json.decode(standing.attributes), **times)


async def with_result(shelf: Shelf, stream: str, reply: Applied) -> Applied:
    """The reply with the result itself, where that lies in a blob."""
    if reply.large is None:
        return reply
    return msgspec.structs.replace(reply, result=Raw(await shelf.get(stream, reply.large)), large=None)


def open_approval(run: str, id: str, asked: Asked, by: str) -> OpenApproval:
    """What a run that `by` started asks, as it is shown to people."""
    expires = None if asked.expires is None else moment(asked.expires)
    shown = OpenApproval(run, id, asked.name, msgspec.json.decode(asked.show), asked.digest, moment(asked.at), expires, by=by)
    if (terms := asked.terms) is None:
        return shown
    return msgspec.structs.replace(
        shown, users=terms.users, roles=terms.roles, quorum=terms.quorum, starter_may=terms.starter_may,
        voices=[Voice(given.by, moment(given.at), given.why) for given in asked.given],
        escalates=[EscalatesTo(moment(asked.at + stage.after), stage.users, stage.roles) for stage in terms.stages],
    )  # fmt: skip


def must_make_sense(asked: StartRun) -> None:
    """Invalid where what a start asks for could only be a mistake."""
    if asked.on_conflict not in CONFLICTS:
        raise _unknown(asked, "on_conflict", asked.on_conflict, CONFLICTS)
    if asked.reuse not in REUSES:
        raise _unknown(asked, "reuse", asked.reuse, REUSES)
    if asked.trace and not TRACE.fullmatch(asked.trace):
        raise Invalid("a trace context does not fit", who=f"workflow {asked.workflow!r}", where="trace", found=repr(asked.trace[:80]),
                      expected="00-<32 hexadecimal digits>-<16>-<2>, as in the header traceparent", instead="leave it out to have none")
    if asked.by and could_be_of_a_child(asked.run):
        raise Refused("the id is kept for the child of a run", who=f"workflow {asked.workflow!r}", where="run",
                      expected="an id that does not end as those of children do: in a slash and a number", found=repr(asked.run),
                      instead="choose another id, or leave it out to have one made up")
    if not 0 <= asked.delay <= SECONDS_MAX or (asked.deadline is not None and not asked.delay < asked.deadline <= SECONDS_MAX):
        raise Invalid("the times of a start make no sense", who=f"workflow {asked.workflow!r}", where="delay, deadline",
                      expected=f"0 <= delay < deadline <= {SECONDS_MAX} seconds",
                      found=f"delay {asked.delay:g} s, deadline {asked.deadline} s",
                      instead="leave the deadline out to have none")


def _unknown(asked: StartRun, name: str, given: str, known: tuple[str, ...]) -> Invalid:
    return Invalid("a start asks for something unknown", who=f"workflow {asked.workflow!r}", where=name,
                   expected=f"one of {', '.join(known)}", found=repr(given), instead=f"leave it out to have {known[0]!r}")
