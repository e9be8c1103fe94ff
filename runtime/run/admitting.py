"""Admitting: what may be decided, or answered, only with a look at the driven code.

The facts do not say which signals the code has read, nor whom it listens to. The machine does, as a cache beside them: driven
to where they stand, it is the same on every node. So a command is looked at here before it is decided on the facts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...eventlog.errors import PerdureError, Refused
from . import commands as cmd
from .handlers import answered, judged
from .live import Run
from .performing import Answer
from .state import Update

SIGNALS_MAX = 10_000
"""Signals that a run has been sent and not read; running handlers of signals count as unread ones."""

SIGNALS_BYTES_MAX = 8 * 1024 * 1024


def _signal(run: Run, command: cmd.Signal | cmd.SignalOrStart) -> cmd.Signal | cmd.SignalOrStart:
    """Refused where too much lies unread."""
    facts, machine = run.facts, run.machine
    if facts.phase == "new" or facts.ended or command.command in facts.commands:
        return command
    count, size = facts.backlog if facts.delivered < len(facts.arrivals) else (0, 0)
    if machine is not None:
        count, size = count + machine.unread + len(machine.handling_for), size + machine.unread_bytes
    if count >= SIGNALS_MAX or size + len(command.value) > SIGNALS_BYTES_MAX:
        raise Refused(
            "the run has not read the signals that it was sent",
            who=f"run {run.id!r}, workflow {facts.workflow!r}",
            where=f"signal {command.name!r}",
            expected=f"at most {SIGNALS_MAX} unread, of {SIGNALS_BYTES_MAX} bytes together",
            found=f"{count} unread, of {size} bytes, and one more of {len(command.value)}",
            instead="send less at once, and see why its code takes none: it may wait for something else, or stand still",
        )
    return command


def _update(run: Run, command: cmd.Update) -> cmd.Update:
    """Let the code's own validator judge it; the arguments become what is recorded."""
    facts, machine = run.facts, run.machine
    if facts.phase == "new" or facts.ended or command.command in facts.commands:
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
    return msgspec.structs.replace(command, args=judged(machine, command.name, command.args))


ADMIT: Mapping[type, Callable[[Run, Any], cmd.Command]] = {cmd.Signal: _signal, cmd.SignalOrStart: _signal, cmd.Update: _update}


def answer_to(update: Update) -> Answer | None:
    """The answer to an accepted update; None while its handler runs."""
    return Answer(update.done, update.result, update.error) if update.done else None


def answer_now(run: Run, query: cmd.Query) -> Answer | PerdureError | None:
    """The answer of the live code to a query, or the error that its asker is to see; None where the code is not driven here."""
    facts, machine = run.facts, run.machine
    if machine is None or machine.fed != facts.delivered:
        return None
    try:
        return Answer(facts.length, *answered(machine, query.name, query.args))
    except PerdureError as error:
        return error
