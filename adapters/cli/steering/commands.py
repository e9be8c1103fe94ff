"""The commands that tell a run something. Workers in NATS do it, or a service over HTTP; a file must be one that nobody else holds.

Each function makes a request of the options that are its own; those that all of them have are added where they become commands.
"""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from inspect import Parameter, Signature
from inspect import signature as signature_of
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...urls import is_served
from ..shared.exits import DONE
from ..shared.options import (
    ApprovalName,
    By,
    CommandId,
    Digest,
    Json,
    Log,
    Module,
    NeededModule,
    Reason,
    Roles,
    RunId,
    Tenant,
    Why,
    code_of,
    wait,
)
from ..shared.places import DEFAULT, url_of

if TYPE_CHECKING:
    from .telling import Steering


def signal(
    run: RunId,
    name: Annotated[str, typer.Argument(help="The name of the signal.")],
    value: Annotated[str, typer.Argument(metavar="[JSON]", help="Its value; a text that is no JSON stands for itself.")] = "null",
) -> Steering:
    """Send a signal to a run."""
    from ....runtime.requests import SignalRun
    from ..shared.loading import signal_value

    return SignalRun(run=run, name=name, value=signal_value(value))


def pause(
    run: RunId,
    reason: Reason = "",
    freeze: Annotated[bool, typer.Option("--freeze-deadline", help="The deadline of the run waits, too.")] = False,
    children: Annotated[bool, typer.Option("--children", help="Its children stand still likewise, and theirs.")] = False,
) -> Steering:
    """Let nothing new of a run begin until it is resumed."""
    from ....runtime.requests import PauseRun

    return PauseRun(run=run, reason=reason, freeze=freeze, children=children)


def resume(
    run: RunId, children: Annotated[bool, typer.Option("--children", help="Its children go on likewise, and theirs.")] = False
) -> Steering:
    """End the pause of a run, begin it before its time, or try it again where it was suspended."""
    from ....runtime.requests import ResumeRun

    return ResumeRun(run=run, children=children)


def retry(
    run: RunId,
    from_version: Annotated[int | None, typer.Option(min=1, metavar="VERSION", help="As it stood at this version of its log.")] = None,
    fresh_keys: Annotated[bool, typer.Option(help="Later attempts get other idempotency keys.")] = False,
) -> Steering:
    """Let a failed run go on from the step that ended it."""
    from ....runtime.requests import RetryRun

    return RetryRun(run=run, from_version=from_version, fresh_keys=fresh_keys)


def upgrade(
    run: RunId, to: Annotated[int, typer.Option("--to", min=1, metavar="VERSION", help="The version to go on under.")]
) -> Steering:
    """Move a run to another version of its workflow, if that agrees with its log."""
    from ....runtime.requests import UpgradeRun

    return UpgradeRun(run=run, version=to)


def skip(
    run: RunId,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The name of an open step, or its id.")],
    value: Annotated[str, typer.Argument(metavar="JSON", help="What it is to have returned; a text that is no JSON stands for itself.")],
    by: By,
    why: Why = "",
) -> Steering:
    """Give an open step its value."""
    from ....runtime.requests import SkipStep
    from ..shared.loading import signal_value

    return SkipStep(run=run, step=step, value=signal_value(value), by=by, why=why)


def approve(run: RunId, name: ApprovalName, by: By, digest: Digest, role: Roles = None, why: Why = "") -> Steering:
    """Approve what a run asks, as 'perdure approvals' showed it."""
    from ....runtime.requests import DecideApproval

    return DecideApproval(run=run, name=name, outcome="approved", by=by, roles=tuple(role or ()), why=why, digest=digest)


def reject(run: RunId, name: ApprovalName, by: By, digest: Digest, role: Roles = None, why: Why = "") -> Steering:
    """Reject what a run asks, as 'perdure approvals' showed it."""
    from ....runtime.requests import DecideApproval

    return DecideApproval(run=run, name=name, outcome="rejected", by=by, roles=tuple(role or ()), why=why, digest=digest)


def cancel(run: RunId, reason: Reason = "") -> Steering:
    """Ask a run to end; its cleanup runs when it is continued."""
    from ....runtime.requests import CancelRun

    return CancelRun(run=run, reason=reason)


def terminate(run: RunId, reason: Reason = "") -> Steering:
    """End a run at once, without cleanup."""
    from ....runtime.requests import TerminateRun

    return TerminateRun(run=run, reason=reason)


def complete(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="What the step handed out.")],
    value: Annotated[str, typer.Argument(metavar="[JSON]", help="What it is to have returned; a text may stand for itself.")] = "null",
) -> Steering:
    """End a step that waits for somebody outside, with its value."""
    from ....runtime.requests import CompleteStep
    from ..shared.loading import signal_value

    return CompleteStep(token=token, value=signal_value(value))


def fail(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="What the step handed out.")],
    message: Annotated[str, typer.Argument(help="What went wrong.")],
) -> Steering:
    """End a step that waits for somebody outside, with an error; it is not tried again."""
    from ....runtime.authoring.errors import Failure
    from ....runtime.requests import FailStep

    return FailStep(token=token, error=Failure("Failed", message))


def _tell(
    request: Steering, module: Module = "", log: Log = DEFAULT, tenant: Tenant = "default", command: CommandId = "", json: Json = False
) -> int:
    from msgspec.structs import replace

    from ..shared.console import answer
    from .drawing import draw_told
    from .telling import tell

    named = replace(request, tenant=tenant, command=command)
    answer(wait(tell, log, named, code_of(module) if module else ()), draw_told, as_json=json)
    return DONE


def _needs_code(module: str = "", log: str = DEFAULT, **_: Any) -> None:
    """Workers have the code; a file has none."""
    if not module and not is_served(url_of(log)):
        raise typer.BadParameter("name the module of the run: a file holds no code", param_hint="--module")


def _command(making: Callable[..., Steering], *, needs_code: bool = False, by_token: bool = False) -> Callable[..., int]:
    """The command that makes a request and tells it.

    A value has to fit its step, and a version the log: only code says so. A token names the tenant.
    """
    own, shared = _options(making), _options(_tell)
    del shared["request"]
    if needs_code:
        shared["module"] = shared["module"].replace(annotation=NeededModule)
    if by_token:
        del shared["tenant"]

    def run(**given: Any) -> int:
        request = making(**{name: given.pop(name) for name in own})
        if needs_code:
            _needs_code(**given)
        return _tell(request, **given)

    update_wrapper(run, making, assigned=("__name__", "__doc__"), updated=())
    vars(run)["__signature__"] = Signature([*own.values(), *shared.values()])
    return run


def _options(function: Callable[..., Any]) -> dict[str, Parameter]:
    return dict(signature_of(function, eval_str=True, locals={"Steering": object}).parameters)


COMMANDS = (
    *[_command(making) for making in (signal, approve, reject, pause, resume, retry, cancel, terminate)],
    _command(skip, needs_code=True),
    _command(upgrade, needs_code=True),
    _command(complete, needs_code=True, by_token=True),
    _command(fail, by_token=True),
)
