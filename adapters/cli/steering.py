"""The commands that tell a run something: they write, so no other process may hold the log."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .exits import DONE
from .options import ApprovalName, By, Digest, Json, Log, Module, Reason, RunId, Why, code_of, wait
from .places import DEFAULT

if TYPE_CHECKING:
    from ...runtime.run.commands import Command


def signal(
    run: RunId,
    name: Annotated[str, typer.Argument(help="The name of the signal.")],
    value: Annotated[str, typer.Argument(metavar="[JSON]", help="Its value; a text that is no JSON stands for itself.")] = "null",
    module: Module = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Send a signal to a run of a log that no other process holds."""
    from ...runtime.run.commands import Signal
    from .loading import signal_value

    return _tell(log, run, Signal(name, signal_value(value)), module, as_json=json)


def pause(
    run: RunId,
    reason: Reason = "",
    freeze: Annotated[bool, typer.Option("--freeze-deadline", help="The deadline of the run waits, too.")] = False,
    module: Module = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Let nothing new of a run begin until it is resumed."""
    from ...runtime.run.commands import Pause

    return _tell(log, run, Pause(reason, freeze), module, as_json=json)


def resume(run: RunId, module: Module = "", log: Log = DEFAULT, json: Json = False) -> int:
    """End the pause of a run, begin it before its time, or try it again where it was suspended."""
    from ...runtime.run.commands import Resume

    return _tell(log, run, Resume(), module, as_json=json)


def retry(
    run: RunId,
    from_version: Annotated[int | None, typer.Option(min=1, metavar="VERSION", help="As it stood at this version of its log.")] = None,
    fresh_keys: Annotated[bool, typer.Option(help="Later attempts get other idempotency keys.")] = False,
    module: Module = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Let a failed run go on from the step that ended it."""
    from .messages import retry_command

    return _tell(log, run, wait(retry_command, log, run, from_version, fresh_keys), module, as_json=json)


def upgrade(
    run: RunId,
    to: Annotated[int, typer.Option("--to", min=1, metavar="VERSION", help="The version to go on under.")],
    module: Annotated[str, typer.Option("--module", metavar="MODULE", help="The code that holds that version (pkg.mod or file.py).")],
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Move a run to another version of its workflow, if that agrees with its log."""
    from ...runtime.run.commands import Upgrade

    return _tell(log, run, Upgrade(to), module, as_json=json)


def skip(
    run: RunId,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The name of an open step, or its id.")],
    value: Annotated[str, typer.Argument(metavar="JSON", help="What it is to have returned; a text that is no JSON stands for itself.")],
    by: By,
    module: Annotated[str, typer.Option("--module", metavar="MODULE", help="The code of the run: it says which values fit the step.")],
    why: Why = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Give an open step its value."""
    from ...runtime.run.commands import Skip
    from .loading import signal_value

    return _tell(log, run, Skip(step, signal_value(value), by, why), module, as_json=json)


def approve(
    run: RunId, name: ApprovalName, by: By, digest: Digest, why: Why = "", module: Module = "", log: Log = DEFAULT, json: Json = False
) -> int:
    """Approve what a run asks, as 'perdure approvals' showed it."""
    from ...runtime.run.commands import Decide

    return _tell(log, run, Decide(name, "approved", by, why, digest), module, as_json=json)


def reject(
    run: RunId, name: ApprovalName, by: By, digest: Digest, why: Why = "", module: Module = "", log: Log = DEFAULT, json: Json = False
) -> int:
    """Reject what a run asks, as 'perdure approvals' showed it."""
    from ...runtime.run.commands import Decide

    return _tell(log, run, Decide(name, "rejected", by, why, digest), module, as_json=json)


def cancel(run: RunId, reason: Reason = "", module: Module = "", log: Log = DEFAULT, json: Json = False) -> int:
    """Ask a run to end; its cleanup runs when it is continued."""
    from ...runtime.run.commands import Cancel

    return _tell(log, run, Cancel(reason), module, as_json=json)


def terminate(run: RunId, reason: Reason = "", module: Module = "", log: Log = DEFAULT, json: Json = False) -> int:
    """End a run at once, without cleanup."""
    from ...runtime.run.commands import Terminate

    return _tell(log, run, Terminate(reason), module, as_json=json)


def _tell(log: str, run: str, command: Command, module: str, *, as_json: bool) -> int:
    from .console import answer
    from .drawing import draw_told
    from .messages import tell

    answer(wait(tell, log, run, command, code_of(module) if module else ()), draw_told, as_json=as_json)
    return DONE


COMMANDS = (signal, approve, reject, skip, pause, resume, retry, upgrade, cancel, terminate)
