"""What is done to runs from outside while they are played: messages, decisions and commands, each once it can be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.authoring.tokens import token_of
from perdure.runtime.requests import (
    AnyRequest,
    CancelRun,
    CompleteStep,
    DecideApproval,
    FailStep,
    PauseRun,
    QueryRun,
    ResumeRun,
    RetryRun,
    SignalOrStartRun,
    SignalRun,
    SkipStep,
    StartRun,
    TerminateRun,
    UpdateRun,
    UpgradeRun,
)
from perdure.runtime.run.state import RunState

Kind = Literal[
    "start", "signal", "signal_or_start", "update", "query", "cancel", "terminate", "pause", "freeze", "resume", "pause_all", "resume_all",
    "retry", "upgrade", "approved", "rejected", "complete", "fail", "skip",
]  # fmt: skip


class Message(Struct, frozen=True):
    """What is sent to a run from outside, so long after the start of the run that is played.

    `name` is that of a signal, a handler, an approval, a step or a workflow, `value` what goes with it. `to` names another run, whose id
    is the played one's with that behind it; empty it is the played one. `by`, in these `roles`, decides an approval.
    """

    kind: Kind
    at: timedelta
    name: str = ""
    value: Any = None
    to: str = ""
    by: str = "ada"
    roles: tuple[str, ...] = ()


class Opening(Struct, frozen=True):
    """How a run is started: after a delay, with a deadline, by the signal that finds it missing, or with a URL to be told of its end."""

    delay: timedelta = timedelta(0)
    deadline: timedelta | None = None
    signal: tuple[str, Any] | None = None
    on_end: str = ""

    def request(self, workflow: str, version: int, run: str, args: Any) -> StartRun:
        limit = None if self.deadline is None else self.deadline.total_seconds()
        given: dict[str, Any] = {"workflow": workflow, "version": version, "run": run, "arguments": _json(args), "command": "start"}
        given |= {"delay": self.delay.total_seconds(), "deadline": limit, "on_end": self.on_end}
        return StartRun(**given) if self.signal is None else SignalOrStartRun(**given, signal=self.signal[0], value=_json(self.signal[1]))


def is_over(message: Message, facts: RunState) -> bool:
    """Whether it comes too late for its run; only what is failed can be retried."""
    if message.kind == "start":
        return bool(facts.length)
    return facts.ended and not (message.kind == "retry" and facts.phase == "failed")


def is_possible(message: Message, facts: RunState) -> bool:
    """Whether what it is about is there: a question that is open, a step that waits for somebody, a run that failed."""
    match message.kind:
        case "start":
            return not facts.length
        case "signal_or_start":
            return True
        case "retry":
            return facts.phase == "failed"
        case "approved" | "rejected":
            return any(asked.name == message.name for asked in facts.approvals.values())
        case "complete" | "fail":
            return any(facts.steps[id].name == message.name for id in facts.deferred)
        case "skip":
            return any(step.name == message.name for step in facts.steps.values())
        case _:
            return bool(facts.length)


def request_of(message: Message, run: str, facts: RunState, command: str) -> AnyRequest:
    """What the message asks of the runtime."""
    value = _json(message.value)
    asked: dict[Kind, Callable[[], AnyRequest]] = {
        "start": lambda: StartRun(workflow=message.name, run=run, arguments=value, command=command),
        "signal": lambda: SignalRun(run=run, name=message.name, value=value, command=command),
        "signal_or_start": lambda: _signal_or_start(message, run, command),
        "update": lambda: UpdateRun(run=run, name=message.name, arguments=value, command=command),
        "query": lambda: QueryRun(run=run, name=message.name, arguments=value),
        "cancel": lambda: CancelRun(run=run, reason="asked to", command=command),
        "terminate": lambda: TerminateRun(run=run, reason="told to", command=command),
        "pause": lambda: PauseRun(run=run, reason="to look", command=command),
        "freeze": lambda: PauseRun(run=run, reason="to look", freeze=True, command=command),
        "resume": lambda: ResumeRun(run=run, command=command),
        "pause_all": lambda: PauseRun(run=run, reason="to look", children=True, command=command),
        "resume_all": lambda: ResumeRun(run=run, children=True, command=command),
        "retry": lambda: RetryRun(run=run, command=command),
        "upgrade": lambda: UpgradeRun(run=run, version=message.value, command=command),
        "approved": lambda: _decision(message, run, facts, command),
        "rejected": lambda: _decision(message, run, facts, command),
        "complete": lambda: CompleteStep(token=_token(message, run, facts), value=value, command=command),
        "fail": lambda: FailStep(token=_token(message, run, facts), error=Failure("Refused", str(message.value)), command=command),
        "skip": lambda: SkipStep(run=run, step=message.name, value=value, by="ada", why="known already", command=command),
    }
    return asked[message.kind]()


def _signal_or_start(message: Message, run: str, command: str) -> SignalOrStartRun:
    """`value`: the name of the signal, its value, and the arguments of the workflow."""
    signal, value, args = message.value
    return SignalOrStartRun(workflow=message.name, run=run, arguments=_json(args), signal=signal, value=_json(value), command=command)


def _decision(message: Message, run: str, facts: RunState, command: str) -> DecideApproval:
    outcome: Any = message.kind
    digest = next(asked.digest for asked in facts.approvals.values() if asked.name == message.name)
    who: dict[str, Any] = {"by": message.by, "roles": message.roles, "why": message.value or ""}
    return DecideApproval(run=run, outcome=outcome, digest=digest, name=message.name, command=command, **who)


def _token(message: Message, run: str, facts: RunState) -> str:
    """As the step would have handed it out."""
    id = next(id for id in facts.deferred if facts.steps[id].name == message.name)
    return token_of(stream_of("run", "default", run), id, facts.steps[id].attempt, facts.seed)


def _json(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
