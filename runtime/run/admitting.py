"""Admitting: what may be decided, or answered, only with a look at the driven code.

The facts do not say which signals the code has read, nor whom it listens to. The machine does, as a cache beside them: driven
to where they stand, it is the same on every node. So a command is looked at here before it is decided on the facts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from ...eventlog.blobs import Blob
from ...eventlog.errors import PerdureError, Refused
from ...eventlog.guard import guard
from ..authoring.effects import StepCall
from . import commands as cmd
from .decide.asking import is_known
from .decide.outside import step_meant
from .live import Run
from .machine.handlers import answered, judged
from .performing import Answer
from .state import Update

SIGNALS_MAX = 10_000
"""Signals that a run has been sent and not read; running handlers of signals count as unread ones."""

SIGNALS_BYTES_MAX = 8 * 1024 * 1024


def _signal(run: Run, command: cmd.Signal | cmd.SignalOrStart) -> cmd.Signal | cmd.SignalOrStart:
    """Refused where too much lies unread."""
    facts, machine = run.facts, run.machine
    if facts.phase == "new" or facts.ended or is_known(facts, command.command):
        return command
    count, size = facts.backlog if facts.delivered < len(facts.arrivals) else (0, 0)
    if machine is not None:
        count, size = count + machine.unread + len(machine.handling_for), size + machine.unread_bytes
    more = len(command.value) if command.blob is None else command.blob.size
    if count >= SIGNALS_MAX or size + more > SIGNALS_BYTES_MAX:
        raise Refused(
            "the run has not read the signals that it was sent",
            who=f"run {run.id!r}, workflow {facts.workflow!r}",
            where=f"signal {command.name!r}",
            expected=f"at most {SIGNALS_MAX} unread, of {SIGNALS_BYTES_MAX} bytes together",
            found=f"{count} unread, of {size} bytes, and one more of {more}",
            instead="send less at once, and see why its code takes none: it may wait for something else, or stand still",
        )
    return command


def _update(run: Run, command: cmd.Update) -> cmd.Update:
    """Let the code's own validator judge it; the arguments become what is recorded."""
    facts, machine = run.facts, run.machine
    if facts.phase == "new" or facts.ended or is_known(facts, command.command) or command.command in facts.updates:
        return command
    if machine is None or machine.fed != facts.delivered:
        raise Refused(
            "the run stands still, so its code cannot judge an update",
            who=f"run {run.id!r}, workflow {facts.workflow!r}",
            where=f"update {command.name!r}",
            expected="a run whose code is driven here",
            found=f"it is {facts.phase}: {facts.stuck or facts.reason}".rstrip(": "),
            instead="let it go on first, or send a signal, which waits for it",
        )
    args, blob = machine.keep(judged(machine, command.name, command.args), f"update {command.name!r}, arguments")
    return msgspec.structs.replace(command, args=args, blob=blob)


def _settle(run: Run, command: cmd.Settle) -> cmd.Settle:
    """Its value becomes what the step would have returned; Invalid where it does not fit."""
    facts, id = run.facts, command.token.effect
    if is_known(facts, command.command) or id not in facts.steps or command.error is not None or not command.token.is_of(facts.seed):
        return command
    value, blob = _as_returned(run, id, command.value)
    return msgspec.structs.replace(command, value=value, blob=blob)


def _skip(run: Run, command: cmd.Skip) -> cmd.Skip:
    """As for a token; which step is meant is clear behind this."""
    facts = run.facts
    if is_known(facts, command.command) or facts.phase == "new" or facts.ended:
        return command
    id = step_meant(facts, command.step)
    value, blob = _as_returned(run, id, command.value)
    return msgspec.structs.replace(command, step=id, value=value, blob=blob)


def _as_returned(run: Run, id: str, value: Raw) -> tuple[Raw, Blob | None]:
    """A value from outside in the form in which the attempt of an open step would have recorded it, and the blob of a large one."""
    if run.machine is None:
        raise Refused(
            "the run's code cannot be asked what value fits",
            who=f"run {run.id!r}, workflow {run.facts.workflow!r}",
            where=f"step {id}",
            expected="code that agrees with the log of the run",
            found=f"it is {run.facts.phase}: {run.facts.stuck}".rstrip(": "),
            instead="repeat it once a build that agrees with its log serves the run",
        )
    call: StepCall[Any] = run.machine.waits[id][1]
    shape = call.step.returns
    return run.machine.keep(shape.encode(shape.decode(guard(bytes(value), shape.who))), shape.who)


ADMIT: Mapping[type, Callable[[Run, Any], cmd.Command]] = {
    cmd.Signal: _signal,
    cmd.SignalOrStart: _signal,
    cmd.Update: _update,
    cmd.Settle: _settle,
    cmd.Skip: _skip,
}


def answer_to(update: Update) -> Answer | None:
    """The answer to an accepted update; None while its handler runs."""
    return Answer(update.done, update.result, update.error, update.blob) if update.done else None


def answer_now(run: Run, query: cmd.Query) -> Answer | PerdureError | None:
    """The answer of the live code to a query, or the error that its asker is to see; None where the code is not driven here."""
    facts, machine = run.facts, run.machine
    if machine is None or machine.fed != facts.delivered:
        return None
    try:
        return Answer(facts.length, *answered(machine, query.name, query.args))
    except PerdureError as error:
        return error
