"""The commands that tell a run something. Workers in NATS do it, or a service over HTTP; a file must be one that nobody else holds."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .exits import DONE
from .options import ApprovalName, By, CommandId, Digest, Json, Log, Module, Reason, Roles, RunId, Tenant, Why, code_of, wait
from .places import DEFAULT, is_served, url_of

if TYPE_CHECKING:
    from .messages import Steering


def signal(
    run: RunId,
    name: Annotated[str, typer.Argument(help="The name of the signal.")],
    value: Annotated[str, typer.Argument(metavar="[JSON]", help="Its value; a text that is no JSON stands for itself.")] = "null",
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Send a signal to a run."""
    from ...runtime.requests import SignalRun
    from .loading import signal_value

    return _tell(log, SignalRun(run=run, name=name, value=signal_value(value)), module, tenant, command, as_json=json)


def pause(
    run: RunId,
    reason: Reason = "",
    freeze: Annotated[bool, typer.Option("--freeze-deadline", help="The deadline of the run waits, too.")] = False,
    children: Annotated[bool, typer.Option("--children", help="Its children stand still likewise, and theirs.")] = False,
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Let nothing new of a run begin until it is resumed."""
    from ...runtime.requests import PauseRun

    return _tell(log, PauseRun(run=run, reason=reason, freeze=freeze, children=children), module, tenant, command, as_json=json)


def resume(
    run: RunId,
    children: Annotated[bool, typer.Option("--children", help="Its children go on likewise, and theirs.")] = False,
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """End the pause of a run, begin it before its time, or try it again where it was suspended."""
    from ...runtime.requests import ResumeRun

    return _tell(log, ResumeRun(run=run, children=children), module, tenant, command, as_json=json)


def retry(
    run: RunId,
    from_version: Annotated[int | None, typer.Option(min=1, metavar="VERSION", help="As it stood at this version of its log.")] = None,
    fresh_keys: Annotated[bool, typer.Option(help="Later attempts get other idempotency keys.")] = False,
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Let a failed run go on from the step that ended it."""
    from ...runtime.requests import RetryRun

    return _tell(log, RetryRun(run=run, from_version=from_version, fresh_keys=fresh_keys), module, tenant, command, as_json=json)


def upgrade(
    run: RunId,
    to: Annotated[int, typer.Option("--to", min=1, metavar="VERSION", help="The version to go on under.")],
    module: Annotated[str, typer.Option("--module", metavar="MODULE", help="The code with that version, where no worker has it.")] = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Move a run to another version of its workflow, if that agrees with its log."""
    from ...runtime.requests import UpgradeRun

    _needs_code(log, module)
    return _tell(log, UpgradeRun(run=run, version=to), module, tenant, command, as_json=json)


def skip(
    run: RunId,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The name of an open step, or its id.")],
    value: Annotated[str, typer.Argument(metavar="JSON", help="What it is to have returned; a text that is no JSON stands for itself.")],
    by: By,
    module: Annotated[str, typer.Option("--module", metavar="MODULE", help="The code of the run, which says what fits the step.")] = "",
    why: Why = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Give an open step its value."""
    from ...runtime.requests import SkipStep
    from .loading import signal_value

    _needs_code(log, module)
    return _tell(log, SkipStep(run=run, step=step, value=signal_value(value), by=by, why=why), module, tenant, command, as_json=json)


def approve(
    run: RunId,
    name: ApprovalName,
    by: By,
    digest: Digest,
    role: Roles = None,
    why: Why = "",
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Approve what a run asks, as 'perdure approvals' showed it."""
    from ...runtime.requests import DecideApproval

    decided = DecideApproval(run=run, name=name, outcome="approved", by=by, roles=tuple(role or ()), why=why, digest=digest)
    return _tell(log, decided, module, tenant, command, as_json=json)


def reject(
    run: RunId,
    name: ApprovalName,
    by: By,
    digest: Digest,
    role: Roles = None,
    why: Why = "",
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Reject what a run asks, as 'perdure approvals' showed it."""
    from ...runtime.requests import DecideApproval

    decided = DecideApproval(run=run, name=name, outcome="rejected", by=by, roles=tuple(role or ()), why=why, digest=digest)
    return _tell(log, decided, module, tenant, command, as_json=json)


def cancel(
    run: RunId,
    reason: Reason = "",
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """Ask a run to end; its cleanup runs when it is continued."""
    from ...runtime.requests import CancelRun

    return _tell(log, CancelRun(run=run, reason=reason), module, tenant, command, as_json=json)


def terminate(
    run: RunId,
    reason: Reason = "",
    module: Module = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    command: CommandId = "",
    json: Json = False,
) -> int:
    """End a run at once, without cleanup."""
    from ...runtime.requests import TerminateRun

    return _tell(log, TerminateRun(run=run, reason=reason), module, tenant, command, as_json=json)


def complete(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="What the step handed out.")],
    value: Annotated[str, typer.Argument(metavar="[JSON]", help="What it is to have returned; a text may stand for itself.")] = "null",
    module: Annotated[str, typer.Option("--module", metavar="MODULE", help="The code of the run, which says what fits the step.")] = "",
    log: Log = DEFAULT,
    command: CommandId = "",
    json: Json = False,
) -> int:
    """End a step that waits for somebody outside, with its value."""
    from ...runtime.requests import CompleteStep
    from .loading import signal_value

    _needs_code(log, module)
    return _tell(log, CompleteStep(token=token, value=signal_value(value)), module, "default", command, as_json=json)


def fail(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="What the step handed out.")],
    message: Annotated[str, typer.Argument(help="What went wrong.")],
    module: Module = "",
    log: Log = DEFAULT,
    command: CommandId = "",
    json: Json = False,
) -> int:
    """End a step that waits for somebody outside, with an error; it is not tried again."""
    from ...runtime.authoring.errors import Failure
    from ...runtime.requests import FailStep

    return _tell(log, FailStep(token=token, error=Failure("Failed", message)), module, "default", command, as_json=json)


def _needs_code(log: str, module: str) -> None:
    """Workers have the code; a file has none."""
    if not module and not is_served(url_of(log)):
        raise typer.BadParameter("name the module of the run: a file holds no code", param_hint="--module")


def _tell(log: str, request: Steering, module: str, tenant: str, command: str, *, as_json: bool) -> int:
    from msgspec.structs import replace

    from .console import answer
    from .drawing import draw_told
    from .messages import tell

    named = replace(request, tenant=tenant, command=command)
    answer(wait(tell, log, named, code_of(module) if module else ()), draw_told, as_json=as_json)
    return DONE


COMMANDS = (signal, approve, reject, skip, complete, fail, pause, resume, retry, upgrade, cancel, terminate)
